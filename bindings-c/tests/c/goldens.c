/* The golden cases through C equal those through Rust.
 * goldens MODEL EXPECTED TOLERANCE [sparse]: EXPECTED was written by the Rust example `expected`; a TOLERANCE of
 * 0 asks for the same bits. On tract, or on the library's own kernels. */
#include "check.h"

#include <inttypes.h>
#include <math.h>

static FILE *expected;
static double tolerance;
static unsigned long compared;

static size_t read_count(const char *word)
{
    char found[32];
    size_t count;
    CHECK(fscanf(expected, "%31s %zu", found, &count) == 2);
    CHECK(strcmp(found, word) == 0);
    return count;
}

static float read_float(void)
{
    uint32_t bits;
    float value;
    CHECK(fscanf(expected, "%" SCNx32, &bits) == 1);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void compare(const char *word, const float *found, size_t count)
{
    CHECK(read_count(word) == count);
    for (size_t i = 0; i < count; i++) {
        float golden = read_float();
        if (tolerance == 0.0) CHECK(memcmp(&golden, &found[i], sizeof golden) == 0);
        else CHECK(fabs((double)golden - (double)found[i]) <= tolerance);
        compared++;
    }
}

/* Reads the overrides of a row and makes them; the result replaces the prediction. */
static scbm_prediction *overridden(const scbm_model *model, scbm_prediction *prediction, long place)
{
    CHECK(fseek(expected, place, SEEK_SET) == 0);
    size_t count = read_count("overrides");
    for (size_t i = 0; i < count; i++) {
        scbm_variable variable;
        scbm_prediction *changed;
        scbm_question found;
        size_t k = read_count("concept");
        scbm_question question = (scbm_question)read_count("question");
        SUCCEEDS(scbm_model_get_concept(model, k, &variable));
        float *probabilities = malloc(variable.class_count * sizeof *probabilities);
        CHECK(probabilities != NULL);
        CHECK(read_count("probabilities") == variable.class_count);
        for (size_t c = 0; c < variable.class_count; c++) probabilities[c] = read_float();
        if (question == SCBM_QUESTION_CORRECT) {
            SUCCEEDS(scbm_correct_probabilities(prediction, variable.name, probabilities,
                                                variable.class_count, &changed));
        } else {
            SUCCEEDS(scbm_intervene_probabilities(prediction, variable.name, probabilities,
                                                  variable.class_count, &changed));
        }
        SUCCEEDS(scbm_prediction_get_question(changed, k, &found));
        CHECK(found == question);
        free(probabilities);
        scbm_prediction_free(prediction);
        prediction = changed;
    }
    return prediction;
}

static void compare_all(const scbm_model *model, const scbm_prediction *prediction)
{
    scbm_model_info info;
    scbm_prediction_info size;
    scbm_label label;
    SUCCEEDS(scbm_model_get_info(model, &info));
    SUCCEEDS(scbm_prediction_get_info(prediction, &size));
    SUCCEEDS(scbm_prediction_get_label(prediction, &label));
    compare("label_logits", label.logits, label.class_count);
    compare("label_probabilities", label.probabilities, label.class_count);
    for (size_t k = 0; k < info.concept_count; k++) {
        scbm_concept part;
        SUCCEEDS(scbm_prediction_get_concept(prediction, k, &part));
        compare("concept_logits", part.logits, part.class_count);
        compare("concept_values", part.probabilities, part.class_count);
        for (size_t c = 0; c < part.class_count; c++) {
            const float *evidence;
            SUCCEEDS(scbm_prediction_get_evidence(prediction, k, c, &evidence));
            compare("evidence", evidence, size.position_count);
        }
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 4 || argc == 5);
    scbm_engine engine = argc == 5 && strcmp(argv[4], "sparse") == 0 ? SCBM_ENGINE_SPARSE : SCBM_ENGINE_TRACT;
    scbm_model *model = load_on(argv[1], engine);
    scbm_model_info info;
    SUCCEEDS(scbm_model_get_info(model, &info));
    CHECK(info.engine == engine);
    expected = fopen(argv[2], "rb");
    CHECK(expected != NULL);
    tolerance = atof(argv[3]);
    size_t rows = read_count("rows");
    CHECK(rows > 0);
    for (size_t row = 0; row < rows; row++) {
        scbm_prediction *prediction;
        size_t count = read_count("ids");
        uint32_t *ids = malloc(count * sizeof *ids);
        CHECK(ids != NULL);
        for (size_t i = 0; i < count; i++) CHECK(fscanf(expected, "%" SCNu32, &ids[i]) == 1);
        size_t length = read_count("text");
        char *text = malloc(length + 1);
        CHECK(text != NULL);
        CHECK(fgetc(expected) == '\n');
        CHECK(fread(text, 1, length, expected) == length);
        long place = ftell(expected);

        const uint32_t *sequences[] = {ids, ids};
        const size_t counts[] = {count, count};
        scbm_prediction *twice[2];
        SUCCEEDS(scbm_predict_tokens_batch(model, sequences, counts, 2, twice));
        for (size_t i = 0; i < 2; i++) {
            twice[i] = overridden(model, twice[i], place);
            compare_all(model, twice[i]);
            scbm_prediction_free(twice[i]);
        }

        CHECK(fseek(expected, place, SEEK_SET) == 0);
        SUCCEEDS(scbm_predict_tokens(model, ids, count, &prediction));
        prediction = overridden(model, prediction, place);
        long outputs = ftell(expected);
        compare_all(model, prediction);
        scbm_prediction_free(prediction);

        const char *texts[] = {text, text};
        size_t lengths[] = {length, length};
        scbm_prediction *batch[2];
        SUCCEEDS(scbm_predict_batch(model, texts, lengths, 2, batch));
        SUCCEEDS(scbm_predict(model, text, length, &prediction));
        scbm_prediction *all[] = {prediction, batch[0], batch[1]};
        for (size_t i = 0; i < 3; i++) {
            for (size_t t = 0; t < count; t++) {
                scbm_token token;
                SUCCEEDS(scbm_prediction_get_token(all[i], t, &token));
                CHECK(token.id == ids[t]);
            }
            all[i] = overridden(model, all[i], place);
            CHECK(fseek(expected, outputs, SEEK_SET) == 0);
            compare_all(model, all[i]);
            scbm_prediction_free(all[i]);
        }
        free(text);
        free(ids);
    }
    fclose(expected);
    printf("%zu rows, %lu numbers compared on %s\n", rows, compared, info.device);
    scbm_model_free(model);
    return 0;
}
