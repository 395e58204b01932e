/* What an explanation holds adds up to what the prediction says. explanation TINY.onnx */
#include "check.h"

#include <math.h>

static int close_to(double a, double b)
{
    return fabs(a - b) < 1e-4;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    scbm_model *model = load(argv[1]);
    const char *text = "bad plot, unwatched acting!";
    scbm_prediction *first = predict(model, text), *prediction;
    SUCCEEDS(scbm_intervene_class(first, "plot", "absent", &prediction));
    scbm_explanation *explanation;
    SUCCEEDS(scbm_explain(prediction, NULL, &explanation));
    scbm_label label;
    SUCCEEDS(scbm_prediction_get_label(prediction, &label));

    scbm_explanation_info info;
    SUCCEEDS(scbm_explanation_get_info(explanation, &info));
    CHECK(info.concept_count == 3 && info.label_class_count == 4);
    CHECK(info.word_count == 6);
    CHECK(info.suggestion_count == 2); /* all but the overridden one */

    /* The baseline and the contributions are the label's logits. */
    const float *baseline;
    SUCCEEDS(scbm_explanation_get_baseline(explanation, &baseline));
    for (size_t l = 0; l < info.label_class_count; l++) {
        double sum = baseline[l];
        for (size_t k = 0; k < info.concept_count; k++) {
            scbm_contribution contribution;
            SUCCEEDS(scbm_explanation_get_contribution(explanation, k, &contribution));
            sum += contribution.label_logits[l];
            CHECK((contribution.override_share != NULL) == (k == 1));
        }
        CHECK(close_to(sum, label.logits[l]));
    }

    /* The words' evidence is the concept's logits. */
    for (size_t k = 0; k < info.concept_count; k++) {
        scbm_concept part;
        SUCCEEDS(scbm_prediction_get_concept(prediction, k, &part));
        for (size_t c = 0; c < part.class_count; c++) {
            scbm_word_evidence evidence;
            SUCCEEDS(scbm_explanation_get_word_evidence(explanation, k, c, &evidence));
            double sum = (double)evidence.special + (double)evidence.bias;
            for (size_t w = 0; w < info.word_count; w++) sum += evidence.words[w];
            CHECK(close_to(sum, part.logits[c]));

            /* What would be is what an intervention gives. */
            scbm_outcome outcome;
            scbm_prediction *asserted;
            scbm_label then;
            SUCCEEDS(scbm_explanation_get_what_if(explanation, k, c, &outcome));
            SUCCEEDS(scbm_intervene_class_index(prediction, part.name, c, &asserted));
            SUCCEEDS(scbm_prediction_get_label(asserted, &then));
            CHECK(outcome.class_index == then.class_index);
            CHECK(strcmp(outcome.class_name, then.class_name) == 0);
            CHECK(memcmp(outcome.probabilities, then.probabilities, then.class_count * sizeof(float)) == 0);
            CHECK(isnan(outcome.expected_value));
            scbm_prediction_free(asserted);
        }
    }

    const char *words[] = {"bad", "plot", ",", "unwatched", "acting", "!"};
    for (size_t w = 0; w < info.word_count; w++) {
        scbm_word word;
        SUCCEEDS(scbm_explanation_get_word(explanation, w, &word));
        CHECK(strcmp(word.text, words[w]) == 0);
        CHECK(word.has_span);
        CHECK(word.end - word.start == strlen(words[w]));
        CHECK(memcmp(text + word.start, words[w], word.end - word.start) == 0);
    }

    float last = INFINITY;
    for (size_t i = 0; i < info.suggestion_count; i++) {
        scbm_suggestion suggestion;
        SUCCEEDS(scbm_explanation_get_suggestion(explanation, i, &suggestion));
        CHECK(suggestion.concept_index == 0 || suggestion.concept_index == 2);
        CHECK(suggestion.score <= last);
        CHECK(close_to(suggestion.score, suggestion.uncertainty * suggestion.expected_change));
        last = suggestion.score;
    }

    /* The smallest change gives the label that it tells. */
    scbm_outcome outcome;
    if (info.change_count == 0) {
        FAILS(SCBM_ERROR_INPUT, "changes: found none",
              scbm_explanation_get_changed_label(explanation, &outcome));
    } else {
        scbm_prediction *now, *next;
        SUCCEEDS(scbm_explanation_get_changed_label(explanation, &outcome));
        CHECK(outcome.class_index != label.class_index);
        SUCCEEDS(scbm_intervene_class(prediction, "plot", "absent", &now));
        for (size_t i = 0; i < info.change_count; i++) {
            scbm_change change;
            scbm_variable variable;
            SUCCEEDS(scbm_explanation_get_change(explanation, i, &change));
            SUCCEEDS(scbm_model_get_concept(model, change.concept_index, &variable));
            CHECK(change.from_class_index < variable.class_count);
            SUCCEEDS(scbm_intervene_class_index(now, variable.name, change.to_class_index, &next));
            scbm_prediction_free(now);
            now = next;
        }
        SUCCEEDS(scbm_prediction_get_label(now, &label));
        CHECK(label.class_index == outcome.class_index);
        scbm_prediction_free(now);
    }

    /* The explanation outlives what it was made of. */
    scbm_prediction_free(prediction);
    scbm_prediction_free(first);
    scbm_model_free(model);
    const char *json;
    SUCCEEDS(scbm_explanation_get_json(explanation, &json));
    CHECK(json[0] == '{' && json[strlen(json) - 1] == '}');
    CHECK(strstr(json, "\"contributions\"") != NULL);
    /* What is supposed has no words as its reason. */
    CHECK(strstr(json, "\"question\":\"suppose\",\"phrases\":[]") != NULL);
    CHECK(strstr(json, "unwatched") != NULL);
    scbm_explanation_free(explanation);
    return 0;
}
