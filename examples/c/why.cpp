// Shows why a model says what it says of a text: what each concept adds to the label, and which word speaks
// loudest for it.
//     why MODEL.onnx TEXT
#include <sparsecbm.hpp>

#include <cstdio>

namespace {

void show(const scbm::model &model, const char *text)
{
    scbm::prediction prediction = model.predict(text).value();
    scbm::label label = prediction.label().value();
    std::printf("%s: %s\n", label.name.data(), label.class_name.data());

    scbm::explanation why = prediction.explain().value();
    std::size_t words = why.info().value().word_count, k = 0;
    for (const scbm::concept_view &part : prediction.concepts().value()) {
        float share = why.contribution(k).value().label_logits[label.class_index];
        std::printf("  %s: %s, adds %+.2f", part.name.data(), part.class_name.data(), share);
        const float *evidence = why.word_evidence(k, part.class_index).value().words;
        if (words > 0) {
            std::size_t loudest = 0;
            for (std::size_t w = 1; w < words; w++)
                if (evidence[w] > evidence[loudest]) loudest = w;
            std::printf(", most for it: \"%s\"", why.word(loudest).value().text);
        }
        std::printf("\n");
        k++;
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::fprintf(stderr, "usage: why MODEL.onnx TEXT\n");
        return 2;
    }
    try {
        show(scbm::model::load(argv[1]).value(), argv[2]);
    } catch (const scbm::error &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
