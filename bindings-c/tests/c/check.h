/* What the C tests share: checks that name their place and end the program. */
#ifndef CHECK_H
#define CHECK_H

#include <sparsecbm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);      \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

/* The call succeeds and leaves no message. */
#define SUCCEEDS(call)                                                                   \
    do {                                                                                 \
        scbm_status status_ = (call);                                                    \
        if (status_ != SCBM_OK || scbm_last_error()[0] != '\0') {                        \
            fprintf(stderr, "%s:%d: %s: %s (%s)\n", __FILE__, __LINE__, #call,           \
                    scbm_status_name(status_), scbm_last_error());                       \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

/* The call fails with that status, and its message begins so. */
#define FAILS(expected, beginning, call)                                                 \
    do {                                                                                 \
        scbm_status status_ = (call);                                                    \
        if (status_ != (expected)                                                        \
            || strncmp(scbm_last_error(), (beginning), strlen(beginning)) != 0) {        \
            fprintf(stderr, "%s:%d: %s: %s (%s), expected %s (%s)\n", __FILE__,          \
                    __LINE__, #call, scbm_status_name(status_), scbm_last_error(),       \
                    scbm_status_name(expected), (beginning));                            \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

/* A model from a file, on an engine; threads are for those that have a choice. */
static inline scbm_model *load_on(const char *path, scbm_engine engine)
{
    scbm_model *model = NULL;
    scbm_load_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.engine = engine;
    options.threads = 2;
    SUCCEEDS(scbm_model_load(path, &options, &model));
    CHECK(model != NULL);
    return model;
}

/* A model from a file, on tract: other engines round otherwise. */
static inline scbm_model *load(const char *path)
{
    return load_on(path, SCBM_ENGINE_TRACT);
}

static inline scbm_prediction *predict(const scbm_model *model, const char *text)
{
    scbm_prediction *prediction = NULL;
    SUCCEEDS(scbm_predict(model, text, strlen(text), &prediction));
    CHECK(prediction != NULL);
    return prediction;
}

/* The content of a file. */
static inline char *content(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    CHECK(size > 0);
    rewind(file);
    char *bytes = (char *)malloc((size_t)size);
    CHECK(bytes != NULL);
    CHECK(fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    *length = (size_t)size;
    return bytes;
}

#endif
