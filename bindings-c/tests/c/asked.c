/* What an explanation holds only where it was asked for: other rankings, occlusion, faithfulness; and which
 * weights a concept uses. asked TINY.onnx */
#include "check.h"

#include <math.h>

static int close_to(double a, double b)
{
    return fabs(a - b) < 1e-4;
}

static scbm_explain_options ask(void)
{
    scbm_explain_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    return options;
}

static void rankings(const scbm_prediction *prediction)
{
    const float costs[] = {1, 2, 4};
    for (scbm_policy policy = SCBM_POLICY_COMBINED; policy <= SCBM_POLICY_EXPECTED_CHANGE; policy++) {
        scbm_explain_options options = ask();
        options.policy = policy;
        options.costs = costs;
        options.cost_count = 3;
        scbm_explanation *explanation;
        SUCCEEDS(scbm_explain(prediction, &options, &explanation));
        float last = INFINITY;
        for (size_t i = 0; i < 3; i++) {
            scbm_suggestion s;
            SUCCEEDS(scbm_explanation_get_suggestion(explanation, i, &s));
            const float by[] = {s.uncertainty * s.expected_change, s.uncertainty, s.contribution,
                                s.expected_change};
            CHECK(s.cost == costs[s.concept_index]);
            CHECK(close_to(s.score, by[policy] / s.cost));
            CHECK(s.score <= last);
            last = s.score;
        }
        scbm_explanation_free(explanation);
    }
}

/* The losses that occlusion tells are the differences of two predictions. */
static void losses(const scbm_model *model, const scbm_prediction *prediction)
{
    scbm_explain_options options = ask();
    options.occlusion_words = 2;
    options.faithfulness_steps = 3;
    scbm_explanation *some, *all;
    scbm_occlusion occlusion;
    scbm_explanation_info info;
    SUCCEEDS(scbm_explain(prediction, &options, &some));
    SUCCEEDS(scbm_explanation_get_occlusion(some, &occlusion));
    CHECK(occlusion.word_count == 2 && !occlusion.complete);
    CHECK(occlusion.word_indices[0] < occlusion.word_indices[1]);
    SUCCEEDS(scbm_explanation_get_info(some, &info));
    CHECK(info.faithfulness_count == 3); /* occlusion of some words orders none */

    scbm_word word;
    SUCCEEDS(scbm_explanation_get_word(some, occlusion.word_indices[1], &word));
    CHECK(word.token_count > 0);
    scbm_prediction_info size;
    SUCCEEDS(scbm_prediction_get_info(prediction, &size));
    CHECK(word.first_token + word.token_count < size.token_count);
    uint32_t ids[24];
    for (size_t i = 0; i < size.token_count; i++) {
        scbm_token token;
        SUCCEEDS(scbm_prediction_get_token(prediction, i, &token));
        ids[i] = token.id;
        if (i == word.first_token) CHECK(token.start == word.start);
    }
    for (size_t i = 0; i < word.token_count; i++) ids[word.first_token + i] = 4; /* [MASK] */
    scbm_prediction *without;
    SUCCEEDS(scbm_predict_tokens(model, ids, size.token_count, &without));
    for (size_t k = 0; k < 3; k++) {
        scbm_concept before, after;
        SUCCEEDS(scbm_prediction_get_concept(prediction, k, &before));
        SUCCEEDS(scbm_prediction_get_concept(without, k, &after));
        for (size_t c = 0; c < before.class_count; c++) {
            const float *lost;
            SUCCEEDS(scbm_explanation_get_concept_loss(some, k, c, &lost));
            CHECK(close_to(lost[1], before.logits[c] - after.logits[c]));
        }
    }
    scbm_label before, after;
    SUCCEEDS(scbm_prediction_get_label(prediction, &before));
    SUCCEEDS(scbm_prediction_get_label(without, &after));
    for (size_t l = 0; l < before.class_count; l++) {
        const float *lost;
        SUCCEEDS(scbm_explanation_get_label_loss(some, l, &lost));
        CHECK(close_to(lost[1], before.logits[l] - after.logits[l]));
    }
    scbm_prediction_free(without);
    scbm_explanation_free(some);

    options.occlusion_words = UINT32_MAX;
    SUCCEEDS(scbm_explain(prediction, &options, &all));
    SUCCEEDS(scbm_explanation_get_info(all, &info));
    SUCCEEDS(scbm_explanation_get_occlusion(all, &occlusion));
    CHECK(occlusion.complete && occlusion.word_count == info.word_count);
    CHECK(info.faithfulness_count == 6); /* both orders of each concept */
    for (size_t i = 0; i < info.faithfulness_count; i++) {
        scbm_faithfulness f;
        SUCCEEDS(scbm_explanation_get_faithfulness(all, i, &f));
        CHECK(f.concept_index == i / 2);
        CHECK(strcmp(f.method, i % 2 == 0 ? "evidence" : "occlusion") == 0);
        CHECK(f.point_count == 4 && f.shares[0] == 0 && f.shares[3] == 1);
        scbm_concept part;
        SUCCEEDS(scbm_prediction_get_concept(prediction, f.concept_index, &part));
        CHECK(close_to(f.deletion[0], part.probabilities[f.class_index]));
        CHECK(close_to(f.insertion[3], part.probabilities[f.class_index]));
        CHECK(f.deletion_area > 0 && f.deletion_area < 1 && f.insertion_area > 0 && f.insertion_area < 1);
    }
    scbm_explanation_free(all);
}

static void weights(const char *path)
{
    size_t length;
    char *bytes = content(path, &length);
    scbm_subnetworks *loaded, *same;
    SUCCEEDS(scbm_subnetworks_load(path, &loaded));
    SUCCEEDS(scbm_subnetworks_from_memory(bytes, length, &same));
    free(bytes);
    scbm_subnetworks_info info;
    SUCCEEDS(scbm_subnetworks_get_info(loaded, &info));
    CHECK(info.concept_count == 3 && info.layer_count > 0);
    CHECK(info.used > 0 && info.used <= 1);

    /* A concept's density is that of its matrices, each as heavy as it is large. */
    for (size_t k = 0; k < info.concept_count; k++) {
        double kept = 0, total = 0;
        for (size_t i = 0; i < info.layer_count; i++) {
            scbm_layer layer;
            SUCCEEDS(scbm_subnetworks_get_layer(loaded, i, &layer));
            CHECK(layer.name[0] != '\0');
            CHECK(layer.density[k] <= layer.used && layer.exclusive[k] <= 1);
            kept += layer.density[k] * (double)(layer.rows * layer.columns);
            total += (double)(layer.rows * layer.columns);
        }
        scbm_subnetwork one, other;
        SUCCEEDS(scbm_subnetworks_get_concept(loaded, k, &one));
        CHECK(close_to(one.density, kept / total));
        CHECK(one.exclusive >= 0 && one.exclusive <= 1);
        CHECK(one.overlap[k] == 1);
        SUCCEEDS(scbm_subnetworks_get_concept(same, (k + 1) % 3, &other));
        CHECK(one.overlap[(k + 1) % 3] == other.overlap[k]);
    }
    scbm_subnetwork plot;
    SUCCEEDS(scbm_subnetworks_get_concept(loaded, 1, &plot));
    CHECK(strcmp(plot.concept_name, "plot") == 0);
    const char *one, *other;
    SUCCEEDS(scbm_subnetworks_get_json(loaded, &one));
    SUCCEEDS(scbm_subnetworks_get_json(same, &other));
    CHECK(strcmp(one, other) == 0 && strstr(one, "\"neurons\"") != NULL);
    scbm_subnetworks_free(loaded);
    scbm_subnetworks_free(same);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    scbm_model *model = load(argv[1]);
    scbm_prediction *prediction = predict(model, "bad plot, unwatched acting!");
    rankings(prediction);
    losses(model, prediction);
    scbm_prediction_free(prediction);
    scbm_model_free(model);
    weights(argv[1]);
    return 0;
}
