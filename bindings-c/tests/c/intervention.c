/* Overrides: every way to say one, and undo. intervention TINY.onnx */
#include "check.h"

#include <math.h>

static scbm_label label_of(const scbm_prediction *prediction)
{
    scbm_label label;
    SUCCEEDS(scbm_prediction_get_label(prediction, &label));
    return label;
}

static int same_label(const scbm_prediction *a, const scbm_prediction *b)
{
    scbm_label one = label_of(a), two = label_of(b);
    return memcmp(one.logits, two.logits, one.class_count * sizeof(float)) == 0;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    scbm_model *model = load(argv[1]);
    scbm_prediction *start = predict(model, "The movie was very good");

    /* Four ways to say the same class; the last is as good as certain. */
    const float certain[] = {1, 0}, logits[] = {200, -200};
    scbm_prediction *ways[4];
    SUCCEEDS(scbm_intervene_class(start, "acting", "absent", &ways[0]));
    SUCCEEDS(scbm_intervene_class_index(start, "acting", 0, &ways[1]));
    SUCCEEDS(scbm_intervene_probabilities(start, "acting", certain, 2, &ways[2]));
    SUCCEEDS(scbm_intervene_logits(start, "acting", logits, 2, &ways[3]));
    CHECK(!same_label(start, ways[0]));
    for (size_t i = 0; i < 4; i++) {
        CHECK(same_label(ways[0], ways[i]));
        scbm_concept acting, plot;
        SUCCEEDS(scbm_prediction_get_concept(ways[i], 0, &acting));
        CHECK(acting.overridden);
        CHECK(acting.class_index == 0);
        CHECK(acting.probabilities[0] == 1 && acting.probabilities[1] == 0);
        CHECK(acting.logits[0] < acting.logits[1]); /* the model's own stay */
        SUCCEEDS(scbm_prediction_get_concept(ways[i], 1, &plot));
        CHECK(!plot.overridden);
    }

    /* Softer logits give their softmax. */
    const float soft[] = {1, 2};
    scbm_prediction *softer;
    scbm_concept acting;
    SUCCEEDS(scbm_intervene_logits(start, "acting", soft, 2, &softer));
    SUCCEEDS(scbm_prediction_get_concept(softer, 0, &acting));
    CHECK(fabsf(acting.probabilities[1] - 1 / (1 + expf(-1))) < 1e-6f);

    /* Overrides add up; undo takes one back, undo_all every one. */
    scbm_prediction *both, *one, *none, *again;
    SUCCEEDS(scbm_intervene_class(ways[0], "plot", "present", &both));
    SUCCEEDS(scbm_undo(both, "plot", &one));
    CHECK(same_label(one, ways[0]) && !same_label(both, one));
    SUCCEEDS(scbm_undo_all(both, &none));
    CHECK(same_label(none, start));
    SUCCEEDS(scbm_undo(start, "plot", &again));
    CHECK(same_label(again, start));

    scbm_prediction *all[] = {start, ways[0], ways[1], ways[2], ways[3], softer, both, one, none, again};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) scbm_prediction_free(all[i]);
    scbm_model_free(model);
    return 0;
}
