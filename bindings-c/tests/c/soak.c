/* Many predictions and overrides, each compared bit for bit with the first, and the memory they take.
 * soak MODEL PREDICTIONS INTERVENTIONS */
#include "check.h"

enum { TEXTS = 4, LABELS = 16 };

/* How much more than after a tenth of the work may be resident at its end. */
static const long GROWTH_KIB = 1024;

static const char *const texts[TEXTS] = {
    "The movie was very good", "bad plot, unwatched acting!", "", "was not good; and the plot?",
};

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    char line[256];
    long kib = -1;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    fclose(file);
    CHECK(kib > 0);
    return kib;
}

static void keep_or_compare(const scbm_prediction *prediction, float *logits, int keep)
{
    scbm_label label;
    SUCCEEDS(scbm_prediction_get_label(prediction, &label));
    CHECK(label.class_count <= LABELS);
    if (keep) memcpy(logits, label.logits, label.class_count * sizeof *logits);
    else CHECK(memcmp(logits, label.logits, label.class_count * sizeof *logits) == 0);
}

/* One prediction, its JSON, and `count` overrides of every concept in turn; the last of each text stands on all. */
static void work(const scbm_model *model, long turn, long count, float logits[TEXTS][2][LABELS])
{
    size_t which = (size_t)turn % TEXTS;
    scbm_prediction *first = predict(model, texts[which]), *now = first;
    const char *json;
    SUCCEEDS(scbm_prediction_get_json(first, &json));
    keep_or_compare(first, logits[which][0], turn < TEXTS);
    scbm_model_info info;
    SUCCEEDS(scbm_model_get_info(model, &info));
    for (long i = 0; i < count; i++) {
        scbm_variable variable;
        scbm_prediction *next;
        SUCCEEDS(scbm_model_get_concept(model, (size_t)i % info.concept_count, &variable));
        size_t class_index = (size_t)i % variable.class_count;
        if (i % 2 == 0) SUCCEEDS(scbm_intervene_class_index(now, variable.name, class_index, &next));
        else SUCCEEDS(scbm_correct_class_index(now, variable.name, class_index, &next));
        if (now != first) scbm_prediction_free(now);
        now = next;
    }
    keep_or_compare(now, logits[which][1], turn < TEXTS);
    if (now != first) scbm_prediction_free(now);
    scbm_prediction_free(first);
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    long predictions = atol(argv[2]), interventions = atol(argv[3]), early = 0;
    CHECK(predictions >= 10 * TEXTS && interventions >= predictions);
    static float logits[TEXTS][2][LABELS];
    scbm_model *model = load(argv[1]);
    long each = interventions / predictions;
    for (long turn = 0; turn < predictions; turn++) {
        work(model, turn, each, logits);
        if ((turn + 1) % (predictions / 10) == 0) {
            long now = resident_kib();
            if (early == 0) early = now;
            printf("%ld predictions, %ld interventions: %ld KiB\n", turn + 1, (turn + 1) * each, now);
            fflush(stdout);
        }
    }
    CHECK(resident_kib() <= early + GROWTH_KIB);
    scbm_model_free(model);
    return 0;
}
