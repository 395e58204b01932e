/* Everything that can be read: versions, models, predictions. reading TINY.onnx */
#include "check.h"

#include <math.h>

static void versions(void)
{
    CHECK(scbm_abi_version() == SCBM_ABI_VERSION);
    CHECK(scbm_format_version() == 1);
    unsigned major, minor, patch;
    CHECK(sscanf(scbm_version(), "%u.%u.%u", &major, &minor, &patch) == 3);
    CHECK(strcmp(scbm_status_name(SCBM_OK), "ok") == 0);
    CHECK(strcmp(scbm_status_name(SCBM_ERROR_UNAVAILABLE), "unavailable") == 0);
    CHECK(strcmp(scbm_status_name(SCBM_ERROR_INTERNAL), "internal") == 0);
    CHECK(strcmp(scbm_status_name(-1), "unknown") == 0);
    CHECK(strcmp(scbm_status_name(1000), "unknown") == 0);
}

static void model_parts(const scbm_model *model)
{
    scbm_model_info info;
    SUCCEEDS(scbm_model_get_info(model, &info));
    CHECK(info.concept_count == 3);
    CHECK(info.class_count == 2);
    CHECK(info.label_class_count == 4);
    CHECK(info.max_length == 24);
    CHECK(info.engine == SCBM_ENGINE_TRACT);
    CHECK(strncmp(info.device, "tract", 5) == 0);

    const char *names[] = {"acting", "plot", "visual effects"};
    for (size_t k = 0; k < info.concept_count; k++) {
        scbm_variable variable;
        size_t index = 99;
        SUCCEEDS(scbm_model_get_concept(model, k, &variable));
        CHECK(strcmp(variable.name, names[k]) == 0);
        CHECK(variable.class_count == 2);
        CHECK(strcmp(variable.class_names[0], "absent") == 0);
        CHECK(strcmp(variable.class_names[1], "present") == 0);
        SUCCEEDS(scbm_model_find_concept(model, names[k], &index));
        CHECK(index == k);
    }
    scbm_variable label;
    SUCCEEDS(scbm_model_get_label(model, &label));
    CHECK(strcmp(label.name, "verdict") == 0);
    CHECK(label.class_count == 4);
    CHECK(strcmp(label.class_names[3], "great") == 0);

    const char *schema, *again;
    SUCCEEDS(scbm_model_get_schema_json(model, &schema));
    CHECK(strncmp(schema, "{\"version\":\"1.", 14) == 0);
    CHECK(strstr(schema, "\"concepts\":[{\"name\":\"acting\",\"classes\":[\"absent\",\"present\"]}") != NULL);
    CHECK(strstr(schema, "\"data_fields\":{\"text\":\"review\"") != NULL);
    SUCCEEDS(scbm_model_get_schema_json(model, &again));
    CHECK(again == schema);
}

/* The tokens of a text are those of its prediction, and their ids give the same prediction. */
static void tokens_alone(const char *path)
{
    const char *text = "bad plot, unwatched acting!";
    scbm_model *model = load(path);
    scbm_prediction *prediction = predict(model, text), *same;
    scbm_tokens *tokens, *cut;
    scbm_tokens_info info;
    SUCCEEDS(scbm_tokenize(model, text, strlen(text), &tokens));
    SUCCEEDS(scbm_tokens_get_info(tokens, &info));
    CHECK(info.token_count == 11 && info.dropped_token_count == 0);
    for (size_t i = 0; i < info.token_count; i++) {
        scbm_token alone, predicted;
        SUCCEEDS(scbm_tokens_get_token(tokens, i, &alone));
        SUCCEEDS(scbm_prediction_get_token(prediction, i, &predicted));
        CHECK(alone.id == predicted.id && alone.id == info.ids[i]);
        CHECK(alone.has_span == predicted.has_span);
        CHECK(alone.start == predicted.start && alone.end == predicted.end);
        CHECK(strcmp(alone.piece, predicted.piece) == 0);
    }
    SUCCEEDS(scbm_predict_tokens(model, info.ids, info.token_count, &same));
    scbm_label one, other;
    SUCCEEDS(scbm_prediction_get_label(prediction, &one));
    SUCCEEDS(scbm_prediction_get_label(same, &other));
    CHECK(memcmp(one.logits, other.logits, one.class_count * sizeof *one.logits) == 0);
    scbm_prediction_free(same);
    scbm_prediction_free(prediction);

    char many[400];
    for (size_t i = 0; i < sizeof many; i += 4) memcpy(many + i, "bad ", 4);
    SUCCEEDS(scbm_tokenize(model, many, sizeof many, &cut));
    SUCCEEDS(scbm_tokens_get_info(cut, &info));
    CHECK(info.token_count == 24 && info.dropped_token_count == sizeof many / 4 - 22);
    scbm_tokens_free(cut);
    SUCCEEDS(scbm_tokenize(model, NULL, 0, &cut));
    SUCCEEDS(scbm_tokens_get_info(cut, &info));
    CHECK(info.token_count == 2);
    scbm_tokens_free(cut);

    /* Tokens outlive their model. */
    scbm_model_free(model);
    scbm_token bad;
    SUCCEEDS(scbm_tokens_get_token(tokens, 1, &bad));
    CHECK(strcmp(bad.piece, "bad") == 0 && bad.start == 0 && bad.end == 3);
    scbm_tokens_free(tokens);
    scbm_tokens_free(NULL);
}

static size_t largest(const float *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

static void prediction_parts(const scbm_model *model)
{
    const char *text = "bad plot, unwatched acting!";
    scbm_prediction *prediction = predict(model, text);
    scbm_prediction_info info;
    SUCCEEDS(scbm_prediction_get_info(prediction, &info));
    CHECK(info.concept_count == 3);
    CHECK(info.token_count == 11);
    CHECK(info.position_count == 11);
    CHECK(info.dropped_token_count == 0);

    scbm_label label;
    SUCCEEDS(scbm_prediction_get_label(prediction, &label));
    CHECK(strcmp(label.name, "verdict") == 0);
    CHECK(label.class_count == 4);
    CHECK(label.class_index == largest(label.logits, 4));
    CHECK(label.class_name == label.class_names[label.class_index]);
    CHECK(isnan(label.expected_value));
    float sum = 0;
    for (size_t l = 0; l < 4; l++) sum += label.probabilities[l];
    CHECK(fabsf(sum - 1) < 1e-5f);

    for (size_t k = 0; k < info.concept_count; k++) {
        scbm_concept part;
        SUCCEEDS(scbm_prediction_get_concept(prediction, k, &part));
        CHECK(part.class_count == 2);
        CHECK(part.class_index == largest(part.probabilities, 2));
        CHECK(part.class_name == part.class_names[part.class_index]);
        CHECK(part.class_index == largest(part.logits, 2));
        CHECK(!part.overridden);
    }

    for (size_t i = 0; i < info.token_count; i++) {
        scbm_token token;
        SUCCEEDS(scbm_prediction_get_token(prediction, i, &token));
        int special = i == 0 || i == info.token_count - 1;
        CHECK(token.has_span == !special);
        CHECK(token.piece[0] != '\0');
        CHECK(token.end <= strlen(text));
        CHECK(special ? token.end == 0 : token.start < token.end);
    }
    scbm_token plot;
    SUCCEEDS(scbm_prediction_get_token(prediction, 2, &plot));
    CHECK(strncmp(text + plot.start, "plot", plot.end - plot.start) == 0);

    const char *json, *again;
    SUCCEEDS(scbm_prediction_get_json(prediction, &json));
    CHECK(strncmp(json, "{\"label\":{\"name\":\"verdict\",", 27) == 0);
    CHECK(strstr(json, "\"dropped_tokens\":0}") != NULL);
    SUCCEEDS(scbm_prediction_get_json(prediction, &again));
    CHECK(again == json);
    scbm_prediction_free(prediction);
}

static void texts_of_any_kind(const scbm_model *model)
{
    scbm_prediction *prediction;
    scbm_prediction_info info;
    SUCCEEDS(scbm_predict(model, NULL, 0, &prediction));
    SUCCEEDS(scbm_prediction_get_info(prediction, &info));
    CHECK(info.token_count == 2);
    scbm_prediction_free(prediction);

    SUCCEEDS(scbm_predict(model, "bad\0plot", 8, &prediction));
    scbm_prediction_free(prediction);

    enum { COPIES = 20000 };
    char *long_text = malloc(COPIES * 4);
    CHECK(long_text != NULL);
    for (size_t i = 0; i < COPIES; i++) memcpy(long_text + 4 * i, "bad ", 4);
    SUCCEEDS(scbm_predict(model, long_text, COPIES * 4, &prediction));
    free(long_text);
    SUCCEEDS(scbm_prediction_get_info(prediction, &info));
    CHECK(info.token_count == 24);
    CHECK(info.dropped_token_count == COPIES - 22);
    scbm_prediction_free(prediction);

    SUCCEEDS(scbm_predict_batch(model, NULL, NULL, 0, NULL));
    SUCCEEDS(scbm_predict_tokens_batch(model, NULL, NULL, 0, NULL));
}

static void memory_and_lifetimes(const char *path)
{
    size_t length;
    char *bytes = content(path, &length);
    scbm_load_options options = {0};
    options.struct_size = sizeof options;
    options.engine = SCBM_ENGINE_TRACT;
    scbm_model *model;
    SUCCEEDS(scbm_model_from_memory(bytes, length, &options, &model));
    memset(bytes, 0, length);
    free(bytes);

    char *text = malloc(8);
    CHECK(text != NULL);
    memcpy(text, "bad plot", 8);
    scbm_prediction *prediction;
    SUCCEEDS(scbm_predict(model, text, 8, &prediction));
    memset(text, 0, 8);
    free(text);
    scbm_label before, after;
    SUCCEEDS(scbm_prediction_get_label(prediction, &before));
    scbm_model_free(model);

    /* The prediction outlives its model, and a changed one outlives both. */
    SUCCEEDS(scbm_prediction_get_label(prediction, &after));
    CHECK(after.logits == before.logits && after.class_name == before.class_name);
    scbm_prediction *changed;
    SUCCEEDS(scbm_intervene_class(prediction, "plot", "present", &changed));
    scbm_prediction_free(prediction);
    SUCCEEDS(scbm_prediction_get_label(changed, &after));
    CHECK(strcmp(after.name, "verdict") == 0);
    scbm_prediction_free(changed);

    scbm_model_free(NULL);
    scbm_prediction_free(NULL);
    scbm_explanation_free(NULL);
    scbm_subnetworks_free(NULL);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    versions();
    scbm_model *model = load(argv[1]);
    model_parts(model);
    prediction_parts(model);
    texts_of_any_kind(model);
    scbm_model_free(model);
    tokens_alone(argv[1]);
    memory_and_lifetimes(argv[1]);
    return 0;
}
