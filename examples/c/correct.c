/* Predicts a text, shows its concepts, corrects one, and shows the new label:
 *     correct MODEL.onnx TEXT CONCEPT CLASS */
#include <sparsecbm.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, scbm_last_error());
    return 1;
}

static int show(const scbm_prediction *prediction)
{
    scbm_label label;
    scbm_prediction_info info;
    if (scbm_prediction_get_label(prediction, &label) != SCBM_OK
        || scbm_prediction_get_info(prediction, &info) != SCBM_OK) {
        return fail("reading the prediction");
    }
    printf("%s: %s (%.1f %%)\n", label.name, label.class_name,
           100 * (double)label.probabilities[label.class_index]);
    for (size_t k = 0; k < info.concept_count; k++) {
        scbm_concept part;
        if (scbm_prediction_get_concept(prediction, k, &part) != SCBM_OK) return fail("reading a concept");
        printf("  %s: %s (%.1f %%)%s\n", part.name, part.class_name,
               100 * (double)part.probabilities[part.class_index], part.overridden ? ", as told" : "");
    }
    return 0;
}

/* A prediction, and the same one corrected. */
static int run(const scbm_model *model, char **arguments)
{
    scbm_prediction *prediction = NULL, *corrected = NULL;
    int failed = 1;
    if (scbm_predict(model, arguments[2], strlen(arguments[2]), &prediction) != SCBM_OK) {
        fail("predicting");
    } else if (show(prediction) == 0) {
        if (scbm_intervene_class(prediction, arguments[3], arguments[4], &corrected) != SCBM_OK) {
            fail("correcting");
        } else {
            printf("with %s put right:\n", arguments[3]);
            failed = show(corrected);
        }
    }
    scbm_prediction_free(corrected);
    scbm_prediction_free(prediction);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: correct MODEL.onnx TEXT CONCEPT CLASS\n");
        return 2;
    }
    scbm_model *model;
    if (scbm_model_load(argv[1], NULL, &model) != SCBM_OK) return fail("loading");
    int failed = run(model, argv);
    scbm_model_free(model);
    return failed;
}
