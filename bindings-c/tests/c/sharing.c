/* Threads share one model: 10,000 predictions, explanations and overrides among them, each compared bit for bit
 * with what one thread alone said. sharing TINY.onnx [PREDICTIONS] */
#include "check.h"

#include <pthread.h>

enum { THREADS = 8, TEXTS = 5, LABELS = 4 };

static const char *const texts[TEXTS] = {
    "The movie was very good", "bad plot, unwatched acting!", "", "was not good; and the plot?",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
};
static float alone[TEXTS][2][LABELS];
static scbm_model *model;
static int predictions = 10000;

/* The label's logits as predicted, and with the plot asserted. */
static void logits_of(const char *text, float logits[2][LABELS])
{
    scbm_prediction *first = predict(model, text), *changed;
    scbm_label label;
    SUCCEEDS(scbm_prediction_get_label(first, &label));
    memcpy(logits[0], label.logits, sizeof logits[0]);
    SUCCEEDS(scbm_intervene_class(first, "plot", "present", &changed));
    scbm_prediction_free(first);
    SUCCEEDS(scbm_prediction_get_label(changed, &label));
    memcpy(logits[1], label.logits, sizeof logits[1]);
    scbm_prediction_free(changed);
}

static void *predict_many(void *argument)
{
    int thread = *(const int *)argument;
    for (int i = thread; i < predictions; i += THREADS) {
        int which = i % TEXTS;
        float found[2][LABELS];
        logits_of(texts[which], found);
        CHECK(memcmp(found, alone[which], sizeof found) == 0);
        if (i % 50 == 0) {
            /* Another thread's failures are not ours, and ours not theirs. */
            scbm_prediction *none;
            char name[32];
            snprintf(name, sizeof name, "thread %d", thread);
            scbm_prediction *own = predict(model, texts[which]);
            FAILS(SCBM_ERROR_INPUT, "concept: found 'thread", scbm_undo(own, name, &none));
            CHECK(strstr(scbm_last_error(), name) != NULL);
            scbm_explanation *explanation;
            SUCCEEDS(scbm_explain(own, NULL, &explanation));
            scbm_explanation_free(explanation);
            scbm_prediction_free(own);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2 || argc == 3);
    if (argc == 3) predictions = atoi(argv[2]);
    model = load(argv[1]);
    for (int i = 0; i < TEXTS; i++) logits_of(texts[i], alone[i]);
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&threads[i], NULL, predict_many, &numbers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    scbm_model_free(model);
    printf("%d predictions in %d threads\n", predictions, THREADS);
    return 0;
}
