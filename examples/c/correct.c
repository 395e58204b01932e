/* Predicts a text and shows its concepts; corrects one, supposes the same, and shows the label of each:
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

/* A prediction, the same one corrected, and the same one with the concept supposed. */
static int run(const scbm_model *model, char **arguments)
{
    const char *name = arguments[3], *class_name = arguments[4];
    scbm_prediction *prediction = NULL, *corrected = NULL, *supposed = NULL;
    int failed = 1;
    if (scbm_predict(model, arguments[2], strlen(arguments[2]), &prediction) != SCBM_OK) {
        fail("predicting");
    } else if (show(prediction) == 0) {
        if (scbm_correct_class(prediction, name, class_name, &corrected) != SCBM_OK) {
            fail("correcting");
        } else if (scbm_intervene_class(prediction, name, class_name, &supposed) != SCBM_OK) {
            fail("supposing");
        } else {
            printf("with %s corrected, if the model misread the text:\n", name);
            failed = show(corrected);
            printf("as it would be if %s were so:\n", name);
            failed |= show(supposed);
        }
    }
    scbm_prediction_free(supposed);
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
