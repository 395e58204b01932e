/* The two questions and what they answer, and concepts of 2, 3 and 5 classes. answers TINY.onnx RAGGED.onnx */
#include "check.h"

#include <math.h>

enum { CONCEPTS = 3, WIDTH = 5, LABELS = 7 };

static const size_t class_counts[CONCEPTS] = {2, 3, WIDTH};
static const char *const text = "bad plot, unwatched acting!";

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

static scbm_question question_of(const scbm_prediction *prediction, size_t concept_index)
{
    scbm_question question;
    SUCCEEDS(scbm_prediction_get_question(prediction, concept_index, &question));
    return question;
}

static size_t answer_count(const scbm_model *model)
{
    size_t count;
    SUCCEEDS(scbm_model_get_answer_count(model, &count));
    return count;
}

/* A model of one answer gives it to both questions, and tells which was asked. */
static void one_answer(const char *path)
{
    scbm_model *model = load(path);
    CHECK(answer_count(model) == 1);
    scbm_prediction *start = predict(model, text), *supposed, *corrected;
    SUCCEEDS(scbm_intervene_class(start, "plot", "present", &supposed));
    SUCCEEDS(scbm_correct_class(start, "plot", "present", &corrected));
    CHECK(same_label(supposed, corrected) && !same_label(start, supposed));
    CHECK(question_of(start, 1) == SCBM_QUESTION_NONE);
    CHECK(question_of(supposed, 1) == SCBM_QUESTION_SUPPOSE);
    CHECK(question_of(corrected, 1) == SCBM_QUESTION_CORRECT);
    scbm_explanation *why;
    const float *rest;
    SUCCEEDS(scbm_explain(corrected, NULL, &why));
    SUCCEEDS(scbm_explanation_get_rest(why, &rest));
    for (size_t l = 0; l < label_of(start).class_count; l++) CHECK(rest[l] == 0.0f);
    scbm_explanation_free(why);
    scbm_prediction_free(start);
    scbm_prediction_free(supposed);
    scbm_prediction_free(corrected);
    scbm_model_free(model);
}

/* Every place that tells a concept's classes tells its own. */
static void counts(const scbm_model *model, const scbm_prediction *prediction)
{
    scbm_model_info info;
    SUCCEEDS(scbm_model_get_info(model, &info));
    CHECK(info.concept_count == CONCEPTS && info.class_count == WIDTH && info.label_class_count == LABELS);
    CHECK(isfinite(label_of(prediction).expected_value)); /* its class names are no numbers, its values are */
    scbm_explain_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.occlusion_words = 1;
    scbm_explanation *why;
    SUCCEEDS(scbm_explain(prediction, &options, &why));
    for (size_t k = 0; k < CONCEPTS; k++) {
        scbm_variable variable;
        scbm_concept part;
        SUCCEEDS(scbm_model_get_concept(model, k, &variable));
        SUCCEEDS(scbm_prediction_get_concept(prediction, k, &part));
        CHECK(variable.class_count == class_counts[k] && part.class_count == class_counts[k]);
        double sum = 0;
        for (size_t c = 0; c < part.class_count; c++) {
            CHECK(strcmp(part.class_names[c], variable.class_names[c]) == 0);
            CHECK(part.logits[c] > -1000.0f);
            sum += (double)part.probabilities[c];
        }
        CHECK(fabs(sum - 1) < 1e-5);

        char refused[128];
        snprintf(refused, sizeof refused, "class_index: found %zu, expected 0 to %zu", part.class_count,
                 part.class_count - 1);
        const float *values;
        scbm_outcome outcome;
        scbm_word_evidence evidence;
        size_t last = part.class_count - 1, beyond = part.class_count;
        SUCCEEDS(scbm_prediction_get_evidence(prediction, k, last, &values));
        FAILS(SCBM_ERROR_ARGUMENT, refused, scbm_prediction_get_evidence(prediction, k, beyond, &values));
        SUCCEEDS(scbm_explanation_get_what_if(why, k, last, &outcome));
        FAILS(SCBM_ERROR_ARGUMENT, refused, scbm_explanation_get_what_if(why, k, beyond, &outcome));
        SUCCEEDS(scbm_explanation_get_word_evidence(why, k, last, &evidence));
        FAILS(SCBM_ERROR_ARGUMENT, refused, scbm_explanation_get_word_evidence(why, k, beyond, &evidence));
        SUCCEEDS(scbm_explanation_get_concept_loss(why, k, last, &values));
        FAILS(SCBM_ERROR_ARGUMENT, refused, scbm_explanation_get_concept_loss(why, k, beyond, &values));

        scbm_prediction *changed;
        SUCCEEDS(scbm_correct_class_index(prediction, part.name, last, &changed));
        scbm_prediction_free(changed);
        FAILS(SCBM_ERROR_INPUT, "class index for concept",
              scbm_correct_class_index(prediction, part.name, beyond, &changed));
        const float none[WIDTH] = {1};
        SUCCEEDS(scbm_intervene_probabilities(prediction, part.name, none, part.class_count, &changed));
        scbm_prediction_free(changed);
        if (part.class_count != WIDTH)
            FAILS(SCBM_ERROR_INPUT, "values for concept",
                  scbm_intervene_probabilities(prediction, part.name, none, WIDTH, &changed));
    }
    scbm_explanation_free(why);
}

/* The ways to say one correction. */
static void ways(const scbm_prediction *start)
{
    const float certain[] = {0, 0, 1}, logits[] = {-200, -200, 200};
    scbm_prediction *said[4];
    SUCCEEDS(scbm_correct_class(start, "pace", "fast", &said[0]));
    SUCCEEDS(scbm_correct_class_index(start, "pace", 2, &said[1]));
    SUCCEEDS(scbm_correct_probabilities(start, "pace", certain, 3, &said[2]));
    SUCCEEDS(scbm_correct_logits(start, "pace", logits, 3, &said[3]));
    for (size_t i = 0; i < 4; i++) {
        CHECK(question_of(said[i], 1) == SCBM_QUESTION_CORRECT);
        CHECK(same_label(said[0], said[i]));
    }
    for (size_t i = 0; i < 4; i++) scbm_prediction_free(said[i]);
}

/* Supposed and corrected concepts may be mixed, in any order, and are undone one by one. */
static void mixed(const scbm_prediction *start)
{
    scbm_prediction *supposed, *corrected, *both, *other, *one, *again, *none;
    SUCCEEDS(scbm_intervene_class(start, "acting", "very bad", &supposed));
    SUCCEEDS(scbm_correct_class(start, "acting", "very bad", &corrected));
    CHECK(!same_label(supposed, corrected) && !same_label(start, corrected));

    SUCCEEDS(scbm_correct_class(supposed, "seen", "no", &both));
    CHECK(question_of(both, 0) == SCBM_QUESTION_CORRECT && question_of(both, 2) == SCBM_QUESTION_SUPPOSE);
    CHECK(question_of(both, 1) == SCBM_QUESTION_NONE);
    SUCCEEDS(scbm_correct_class(start, "seen", "no", &one));
    SUCCEEDS(scbm_intervene_class(one, "acting", "very bad", &other));
    CHECK(same_label(both, other));
    const char *json;
    SUCCEEDS(scbm_prediction_get_json(both, &json));
    CHECK(strstr(json, "\"question\":\"correct\"") != NULL && strstr(json, "\"question\":\"suppose\"") != NULL);

    /* The later question about a concept holds. */
    SUCCEEDS(scbm_correct_class(supposed, "acting", "very bad", &again));
    CHECK(same_label(again, corrected));
    scbm_prediction_free(again);
    SUCCEEDS(scbm_undo(both, "seen", &again));
    CHECK(same_label(again, supposed));
    SUCCEEDS(scbm_undo_all(both, &none));
    CHECK(same_label(none, start) && question_of(none, 0) == SCBM_QUESTION_NONE);

    scbm_prediction *all[] = {supposed, corrected, both, other, one, again, none};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) scbm_prediction_free(all[i]);
}

/* Baseline, contributions and the rest are the label's logits; an overridden concept counts as what is asserted. */
static void contributions(const scbm_prediction *start)
{
    scbm_prediction *supposed, *both, *corrected;
    SUCCEEDS(scbm_intervene_class(start, "acting", "very good", &supposed));
    SUCCEEDS(scbm_correct_class(supposed, "pace", "slow", &both));
    SUCCEEDS(scbm_correct_class(start, "acting", "very good", &corrected));
    const scbm_prediction *all[] = {start, supposed, both, corrected};
    scbm_explanation *why[4];
    for (size_t i = 0; i < 4; i++) {
        const float *baseline, *rest;
        scbm_label label = label_of(all[i]);
        double largest = 0;
        SUCCEEDS(scbm_explain(all[i], NULL, &why[i]));
        SUCCEEDS(scbm_explanation_get_baseline(why[i], &baseline));
        SUCCEEDS(scbm_explanation_get_rest(why[i], &rest));
        for (size_t l = 0; l < label.class_count; l++) {
            double sum = (double)baseline[l] + (double)rest[l];
            for (size_t k = 0; k < CONCEPTS; k++) {
                scbm_contribution contribution;
                SUCCEEDS(scbm_explanation_get_contribution(why[i], k, &contribution));
                sum += (double)contribution.label_logits[l];
            }
            CHECK(fabs(sum - (double)label.logits[l]) < 1e-4);
            largest = fmax(largest, fabs((double)rest[l]));
        }
        CHECK((largest > 0) == (i > 0));
    }
    /* What is asserted is worth the same, whichever question asks. */
    scbm_contribution one, other;
    SUCCEEDS(scbm_explanation_get_contribution(why[1], 2, &one));
    SUCCEEDS(scbm_explanation_get_contribution(why[3], 2, &other));
    CHECK(memcmp(one.label_logits, other.label_logits, LABELS * sizeof(float)) == 0);
    CHECK(memcmp(one.override_share, other.override_share, LABELS * sizeof(float)) != 0);
    for (size_t i = 0; i < 4; i++) scbm_explanation_free(why[i]);
    scbm_prediction_free(supposed);
    scbm_prediction_free(both);
    scbm_prediction_free(corrected);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    one_answer(argv[1]);
    scbm_model *model = load(argv[2]);
    CHECK(answer_count(model) == 2);
    scbm_prediction *start = predict(model, text);
    counts(model, start);
    ways(start);
    mixed(start);
    contributions(start);
    scbm_prediction_free(start);
    scbm_model_free(model);
    return 0;
}
