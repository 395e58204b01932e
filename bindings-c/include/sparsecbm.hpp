/** C++17 wrapper of sparsecbm.h: objects that free themselves, views instead of pointers, errors as values.
 *
 * Whatever can fail returns a scbm::result, which holds either the value or an scbm::error. Ask it with `if`,
 * or take the value with `value()`, which throws scbm::error where there is none; in programs built without
 * exceptions it ends the program instead, after writing the message to stderr.
 *
 * Views (strings, spans) belong to the object they were read from, as in sparsecbm.h, which also says what
 * threads may do.
 */
#ifndef SPARSECBM_HPP
#define SPARSECBM_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sparsecbm.h"

namespace scbm {

/** Elements in a row that belong to another object. */
template <typename T>
class span {
public:
    constexpr span() = default;
    constexpr span(const T *data, std::size_t size) : data_(data), size_(size) {}
    constexpr const T *data() const { return data_; }
    constexpr std::size_t size() const { return size_; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr const T &operator[](std::size_t index) const { return data_[index]; }
    constexpr const T *begin() const { return data_; }
    constexpr const T *end() const { return data_ + size_; }

private:
    const T *data_ = nullptr;
    std::size_t size_ = 0;
};

/** Why a call failed: its status and the library's message. */
class error : public std::exception {
public:
    error(scbm_status status, std::string message) : status_(status), message_(std::move(message)) {}
    scbm_status status() const { return status_; }
    const std::string &message() const { return message_; }
    const char *what() const noexcept override { return message_.c_str(); }

private:
    scbm_status status_;
    std::string message_;
};

/** A value, or why there is none. */
template <typename T>
class [[nodiscard]] result {
public:
    result(T value) : content_(std::move(value)) {}
    result(scbm::error failure) : content_(std::move(failure)) {}

    bool ok() const { return content_.index() == 0; }
    explicit operator bool() const { return ok(); }

    /** The value; where there is none, throws the error. */
    T &value() & { return require(), *std::get_if<0>(&content_); }
    const T &value() const & { return require(), *std::get_if<0>(&content_); }
    T value() && { return require(), std::move(*std::get_if<0>(&content_)); }

    /** The error; only where there is one. */
    const scbm::error &failure() const { return *std::get_if<1>(&content_); }

private:
    void require() const
    {
        if (ok()) return;
#if defined(__cpp_exceptions)
        throw failure();
#else
        std::fprintf(stderr, "sparsecbm: %s\n", failure().what());
        std::abort();
#endif
    }

    std::variant<T, scbm::error> content_;
};

namespace detail {

inline error last_error(scbm_status status) { return error(status, scbm_last_error()); }

/** What `read` fills in, or the error. */
template <typename T, typename Read>
result<T> get(Read read)
{
    T value{};
    scbm_status status = read(&value);
    if (status != SCBM_OK) return last_error(status);
    return value;
}

/** The wrapper of the object that `make` hands out, or the error. */
template <typename Wrapper, typename Handle, typename Make>
result<Wrapper> own(Make make)
{
    Handle *handle = nullptr;
    scbm_status status = make(&handle);
    if (status != SCBM_OK) return last_error(status);
    return Wrapper(handle);
}

template <auto Free>
struct deleter {
    template <typename T>
    void operator()(T *handle) const { Free(handle); }
};

} // namespace detail

/** Why a prediction is as it is. */
class explanation {
public:
    explicit explanation(scbm_explanation *handle) : handle_(handle) {}
    const scbm_explanation *get() const { return handle_.get(); }

    result<scbm_explanation_info> info() const
    {
        return detail::get<scbm_explanation_info>(
            [&](auto out) { return scbm_explanation_get_info(get(), out); });
    }
    result<std::string_view> json() const
    {
        auto text = detail::get<const char *>([&](auto out) { return scbm_explanation_get_json(get(), out); });
        if (!text) return text.failure();
        return std::string_view(text.value());
    }
    result<scbm_contribution> contribution(std::size_t concept_index) const
    {
        return detail::get<scbm_contribution>(
            [&](auto out) { return scbm_explanation_get_contribution(get(), concept_index, out); });
    }
    result<scbm_outcome> what_if(std::size_t concept_index, std::size_t class_index) const
    {
        return detail::get<scbm_outcome>(
            [&](auto out) { return scbm_explanation_get_what_if(get(), concept_index, class_index, out); });
    }
    result<scbm_word> word(std::size_t index) const
    {
        return detail::get<scbm_word>(
            [&](auto out) { return scbm_explanation_get_word(get(), index, out); });
    }
    result<scbm_word_evidence> word_evidence(std::size_t concept_index, std::size_t class_index) const
    {
        return detail::get<scbm_word_evidence>([&](auto out) {
            return scbm_explanation_get_word_evidence(get(), concept_index, class_index, out);
        });
    }
    result<scbm_suggestion> suggestion(std::size_t index) const
    {
        return detail::get<scbm_suggestion>(
            [&](auto out) { return scbm_explanation_get_suggestion(get(), index, out); });
    }
    /** The label logits where every concept has its mean logits. */
    result<span<float>> baseline() const
    {
        auto size = info();
        if (!size) return size.failure();
        return view(size.value().label_class_count,
                    [&](auto out) { return scbm_explanation_get_baseline(get(), out); });
    }
    /** What else the text says, where concepts are overridden. */
    result<span<float>> rest() const
    {
        auto size = info();
        if (!size) return size.failure();
        return view(size.value().label_class_count,
                    [&](auto out) { return scbm_explanation_get_rest(get(), out); });
    }
    /** One change of the smallest set that gives another label. */
    result<scbm_change> change(std::size_t index) const
    {
        return detail::get<scbm_change>(
            [&](auto out) { return scbm_explanation_get_change(get(), index, out); });
    }
    /** The label that follows from all those changes. */
    result<scbm_outcome> changed_label() const
    {
        return detail::get<scbm_outcome>(
            [&](auto out) { return scbm_explanation_get_changed_label(get(), out); });
    }
    /** Which words were masked out, one at a time. */
    result<scbm_occlusion> occlusion() const
    {
        return detail::get<scbm_occlusion>(
            [&](auto out) { return scbm_explanation_get_occlusion(get(), out); });
    }
    /** What one concept logit loses with each word that was masked out. */
    result<span<float>> concept_loss(std::size_t concept_index, std::size_t class_index) const
    {
        auto words = occlusion();
        if (!words) return words.failure();
        return view(words.value().word_count, [&](auto out) {
            return scbm_explanation_get_concept_loss(get(), concept_index, class_index, out);
        });
    }
    /** What one label logit loses with each word that was masked out. */
    result<span<float>> label_loss(std::size_t class_index) const
    {
        auto words = occlusion();
        if (!words) return words.failure();
        return view(words.value().word_count,
                    [&](auto out) { return scbm_explanation_get_label_loss(get(), class_index, out); });
    }
    /** What each word adds to one concept logit by integrated gradients, where they were asked for. */
    result<scbm_attribution> attribution(std::size_t concept_index, std::size_t class_index) const
    {
        return detail::get<scbm_attribution>([&](auto out) {
            return scbm_explanation_get_attribution(get(), concept_index, class_index, out);
        });
    }
    result<scbm_faithfulness> faithfulness(std::size_t index) const
    {
        return detail::get<scbm_faithfulness>(
            [&](auto out) { return scbm_explanation_get_faithfulness(get(), index, out); });
    }

private:
    template <typename Read>
    static result<span<float>> view(std::size_t size, Read read)
    {
        auto start = detail::get<const float *>(read);
        if (!start) return start.failure();
        return span<float>(start.value(), size);
    }

    std::unique_ptr<scbm_explanation, detail::deleter<scbm_explanation_free>> handle_;
};

/** What an explanation is to hold beyond what is free; see scbm_explain_options. */
inline scbm_explain_options explain_options(scbm_policy policy = SCBM_POLICY_COMBINED)
{
    scbm_explain_options options{};
    options.struct_size = sizeof options;
    options.policy = policy;
    return options;
}

/** Bits of one concept's mask that are to be flipped. May be used by any number of threads. */
class patch {
public:
    explicit patch(scbm_patch *handle) : handle_(handle) {}
    const scbm_patch *get() const { return handle_.get(); }

    static result<patch> load(const std::string &path)
    {
        return detail::own<patch, scbm_patch>([&](auto out) { return scbm_patch_load(path.c_str(), out); });
    }
    static result<patch> from_json(std::string_view json)
    {
        return detail::own<patch, scbm_patch>(
            [&](auto out) { return scbm_patch_from_json(json.data(), json.size(), out); });
    }

    result<scbm_patch_info> info() const
    {
        return detail::get<scbm_patch_info>([&](auto out) { return scbm_patch_get_info(get(), out); });
    }
    result<std::string_view> json() const
    {
        auto text = detail::get<const char *>([&](auto out) { return scbm_patch_get_json(get(), out); });
        if (!text) return text.failure();
        return std::string_view(text.value());
    }

private:
    std::unique_ptr<scbm_patch, detail::deleter<scbm_patch_free>> handle_;
};

/** The label of a prediction. */
struct label {
    std::string_view name;
    std::string_view class_name;
    std::size_t class_index;
    span<const char *> class_names;
    span<float> probabilities;
    span<float> logits;
    /** NaN where nothing tells what the classes are worth. */
    float expected_value;
};

/** One concept of a prediction. */
struct concept_view {
    std::string_view name;
    std::string_view class_name;
    std::size_t class_index;
    span<const char *> class_names;
    span<float> probabilities;
    span<float> logits;
    bool overridden;
    /** What its override asks; SCBM_QUESTION_NONE where there is none. */
    scbm_question question;
};

/** What a model says of one text. */
class prediction {
public:
    explicit prediction(scbm_prediction *handle) : handle_(handle) {}
    const scbm_prediction *get() const { return handle_.get(); }

    result<scbm_prediction_info> info() const
    {
        return detail::get<scbm_prediction_info>(
            [&](auto out) { return scbm_prediction_get_info(get(), out); });
    }
    result<scbm::label> label() const
    {
        auto raw = detail::get<scbm_label>([&](auto out) { return scbm_prediction_get_label(get(), out); });
        if (!raw) return raw.failure();
        const scbm_label &l = raw.value();
        return scbm::label{l.name, l.class_name, l.class_index, {l.class_names, l.class_count},
                           {l.probabilities, l.class_count}, {l.logits, l.class_count}, l.expected_value};
    }
    /** One concept, `index` in the model's order. */
    result<concept_view> concept_at(std::size_t index) const
    {
        auto raw = detail::get<scbm_concept>(
            [&](auto out) { return scbm_prediction_get_concept(get(), index, out); });
        if (!raw) return raw.failure();
        auto question = detail::get<scbm_question>(
            [&](auto out) { return scbm_prediction_get_question(get(), index, out); });
        if (!question) return question.failure();
        const scbm_concept &c = raw.value();
        return concept_view{c.name, c.class_name, c.class_index, {c.class_names, c.class_count},
                            {c.probabilities, c.class_count}, {c.logits, c.class_count}, c.overridden,
                            question.value()};
    }
    /** Every concept, in the model's order. */
    result<std::vector<concept_view>> concepts() const
    {
        auto size = info();
        if (!size) return size.failure();
        std::vector<concept_view> all;
        for (std::size_t k = 0; k < size.value().concept_count; k++) {
            auto one = concept_at(k);
            if (!one) return one.failure();
            all.push_back(one.value());
        }
        return all;
    }
    result<scbm_token> token(std::size_t index) const
    {
        return detail::get<scbm_token>(
            [&](auto out) { return scbm_prediction_get_token(get(), index, out); });
    }
    /** What each position adds to one concept logit. */
    result<span<float>> evidence(std::size_t concept_index, std::size_t class_index) const
    {
        auto size = info();
        if (!size) return size.failure();
        auto values = detail::get<const float *>([&](auto out) {
            return scbm_prediction_get_evidence(get(), concept_index, class_index, out);
        });
        if (!values) return values.failure();
        return span<float>(values.value(), size.value().position_count);
    }

    /** Another prediction: as it would be if the concept were so. */
    result<prediction> suppose(const std::string &concept_name, const std::string &class_name) const
    {
        return changed([&](auto out) {
            return scbm_intervene_class(get(), concept_name.c_str(), class_name.c_str(), out);
        });
    }
    result<prediction> suppose(const std::string &concept_name, std::size_t class_index) const
    {
        return changed([&](auto out) {
            return scbm_intervene_class_index(get(), concept_name.c_str(), class_index, out);
        });
    }
    result<prediction> suppose_probabilities(const std::string &concept_name, span<float> values) const
    {
        return changed([&](auto out) {
            return scbm_intervene_probabilities(get(), concept_name.c_str(), values.data(), values.size(), out);
        });
    }
    result<prediction> suppose_logits(const std::string &concept_name, span<float> values) const
    {
        return changed([&](auto out) {
            return scbm_intervene_logits(get(), concept_name.c_str(), values.data(), values.size(), out);
        });
    }
    /** Another prediction: the concept is so, the model misread the text. */
    result<prediction> correct(const std::string &concept_name, const std::string &class_name) const
    {
        return changed([&](auto out) {
            return scbm_correct_class(get(), concept_name.c_str(), class_name.c_str(), out);
        });
    }
    result<prediction> correct(const std::string &concept_name, std::size_t class_index) const
    {
        return changed([&](auto out) {
            return scbm_correct_class_index(get(), concept_name.c_str(), class_index, out);
        });
    }
    result<prediction> correct_probabilities(const std::string &concept_name, span<float> values) const
    {
        return changed([&](auto out) {
            return scbm_correct_probabilities(get(), concept_name.c_str(), values.data(), values.size(), out);
        });
    }
    result<prediction> correct_logits(const std::string &concept_name, span<float> values) const
    {
        return changed([&](auto out) {
            return scbm_correct_logits(get(), concept_name.c_str(), values.data(), values.size(), out);
        });
    }
    /** suppose by its older name. */
    result<prediction> intervene(const std::string &concept_name, const std::string &class_name) const
    {
        return suppose(concept_name, class_name);
    }
    result<prediction> intervene(const std::string &concept_name, std::size_t class_index) const
    {
        return suppose(concept_name, class_index);
    }
    result<prediction> intervene_probabilities(const std::string &concept_name, span<float> values) const
    {
        return suppose_probabilities(concept_name, values);
    }
    result<prediction> intervene_logits(const std::string &concept_name, span<float> values) const
    {
        return suppose_logits(concept_name, values);
    }
    result<prediction> undo(const std::string &concept_name) const
    {
        return changed([&](auto out) { return scbm_undo(get(), concept_name.c_str(), out); });
    }
    result<prediction> undo_all() const
    {
        return changed([&](auto out) { return scbm_undo_all(get(), out); });
    }
    result<explanation> explain(scbm_explain_options options = explain_options()) const
    {
        return detail::own<explanation, scbm_explanation>(
            [&](auto out) { return scbm_explain(get(), &options, out); });
    }
    result<std::string_view> json() const
    {
        auto text = detail::get<const char *>([&](auto out) { return scbm_prediction_get_json(get(), out); });
        if (!text) return text.failure();
        return std::string_view(text.value());
    }

private:
    template <typename Make>
    static result<prediction> changed(Make make)
    {
        return detail::own<prediction, scbm_prediction>(make);
    }

    std::unique_ptr<scbm_prediction, detail::deleter<scbm_prediction_free>> handle_;
};

/** How a model is to be loaded; see scbm_load_options. */
inline scbm_load_options load_options(scbm_engine engine = SCBM_ENGINE_AUTO)
{
    scbm_load_options options{};
    options.struct_size = sizeof options;
    options.engine = engine;
    return options;
}

/** A text as a model reads it. May be used by any number of threads. */
class tokens {
public:
    explicit tokens(scbm_tokens *handle) : handle_(handle) {}
    const scbm_tokens *get() const { return handle_.get(); }

    result<scbm_tokens_info> info() const
    {
        return detail::get<scbm_tokens_info>([&](auto out) { return scbm_tokens_get_info(get(), out); });
    }
    /** The ids, as model::predict_tokens takes them. */
    result<span<std::uint32_t>> ids() const
    {
        auto all = info();
        if (!all) return all.failure();
        return span<std::uint32_t>(all.value().ids, all.value().token_count);
    }
    result<scbm_token> token(std::size_t index) const
    {
        return detail::get<scbm_token>(
            [&](auto out) { return scbm_tokens_get_token(get(), index, out); });
    }

private:
    std::unique_ptr<scbm_tokens, detail::deleter<scbm_tokens_free>> handle_;
};

/** A loaded model. May be used by any number of threads. */
class model {
public:
    explicit model(scbm_model *handle) : handle_(handle) {}
    const scbm_model *get() const { return handle_.get(); }

    static result<model> load(const std::string &path, scbm_load_options options = load_options())
    {
        return detail::own<model, scbm_model>(
            [&](auto out) { return scbm_model_load(path.c_str(), &options, out); });
    }
    static result<model> from_memory(span<unsigned char> bytes, scbm_load_options options = load_options())
    {
        return detail::own<model, scbm_model>([&](auto out) {
            return scbm_model_from_memory(bytes.data(), bytes.size(), &options, out);
        });
    }

    result<scbm_model_info> info() const
    {
        return detail::get<scbm_model_info>([&](auto out) { return scbm_model_get_info(get(), out); });
    }
    result<scbm_variable> concept_at(std::size_t index) const
    {
        return detail::get<scbm_variable>(
            [&](auto out) { return scbm_model_get_concept(get(), index, out); });
    }
    result<scbm_variable> label() const
    {
        return detail::get<scbm_variable>([&](auto out) { return scbm_model_get_label(get(), out); });
    }
    /** 2 where supposing and correcting are told apart, 1 where both give the same. */
    result<std::size_t> answer_count() const
    {
        return detail::get<std::size_t>(
            [&](auto out) { return scbm_model_get_answer_count(get(), out); });
    }
    result<std::string_view> schema_json() const
    {
        auto text =
            detail::get<const char *>([&](auto out) { return scbm_model_get_schema_json(get(), out); });
        if (!text) return text.failure();
        return std::string_view(text.value());
    }
    result<std::size_t> find_concept(const std::string &name) const
    {
        return detail::get<std::size_t>(
            [&](auto out) { return scbm_model_find_concept(get(), name.c_str(), out); });
    }

    /** The original with these patches, in this order, and no others; see scbm_model_with_patches. */
    result<model> with_patches(span<const patch *> patches) const
    {
        std::vector<const scbm_patch *> handles;
        for (const patch *one : patches) handles.push_back(one->get());
        return detail::own<model, scbm_model>([&](auto out) {
            return scbm_model_with_patches(get(), handles.data(), handles.size(), out);
        });
    }
    result<std::size_t> patch_count() const
    {
        return detail::get<std::size_t>([&](auto out) { return scbm_model_get_patch_count(get(), out); });
    }
    result<patch> patch_at(std::size_t index) const
    {
        return detail::own<patch, scbm_patch>(
            [&](auto out) { return scbm_model_get_patch(get(), index, out); });
    }

    /** The tokens of a text, without predicting it. */
    result<scbm::tokens> tokenize(std::string_view text) const
    {
        return detail::own<scbm::tokens, scbm_tokens>(
            [&](auto out) { return scbm_tokenize(get(), text.data(), text.size(), out); });
    }
    result<prediction> predict(std::string_view text) const
    {
        return detail::own<prediction, scbm_prediction>(
            [&](auto out) { return scbm_predict(get(), text.data(), text.size(), out); });
    }
    result<prediction> predict_tokens(span<std::uint32_t> ids) const
    {
        return detail::own<prediction, scbm_prediction>(
            [&](auto out) { return scbm_predict_tokens(get(), ids.data(), ids.size(), out); });
    }
    result<std::vector<prediction>> predict_batch(span<std::string_view> texts) const
    {
        std::vector<const char *> starts;
        std::vector<std::size_t> lengths;
        for (std::string_view text : texts) {
            starts.push_back(text.data());
            lengths.push_back(text.size());
        }
        return several(texts.size(), [&](auto out) {
            return scbm_predict_batch(get(), starts.data(), lengths.data(), texts.size(), out);
        });
    }
    result<std::vector<prediction>> predict_tokens_batch(span<span<std::uint32_t>> sequences) const
    {
        std::vector<const std::uint32_t *> starts;
        std::vector<std::size_t> lengths;
        for (span<std::uint32_t> ids : sequences) {
            starts.push_back(ids.data());
            lengths.push_back(ids.size());
        }
        return several(sequences.size(), [&](auto out) {
            return scbm_predict_tokens_batch(get(), starts.data(), lengths.data(), sequences.size(), out);
        });
    }

private:
    template <typename Make>
    static result<std::vector<prediction>> several(std::size_t count, Make make)
    {
        std::vector<prediction> all;
        all.reserve(count);
        std::vector<scbm_prediction *> handles(count);
        scbm_status status = make(handles.data());
        if (status != SCBM_OK) return detail::last_error(status);
        for (scbm_prediction *handle : handles) all.emplace_back(handle);
        return all;
    }

    std::unique_ptr<scbm_model, detail::deleter<scbm_model_free>> handle_;
};

/** How an edit is looked for; see scbm_edit_options. */
inline scbm_edit_options edit_options()
{
    scbm_edit_options options{};
    options.struct_size = sizeof options;
    return options;
}

/** A change of one concept's mask and what it does. May be used by any number of threads. */
class edit {
public:
    explicit edit(scbm_edit *handle) : handle_(handle) {}
    const scbm_edit *get() const { return handle_.get(); }

    result<scbm_edit_info> info() const
    {
        return detail::get<scbm_edit_info>([&](auto out) { return scbm_edit_get_info(get(), out); });
    }
    result<std::string_view> json() const
    {
        auto text = detail::get<const char *>([&](auto out) { return scbm_edit_get_json(get(), out); });
        if (!text) return text.failure();
        return std::string_view(text.value());
    }
    result<scbm::patch> patch() const
    {
        return detail::own<scbm::patch, scbm_patch>(
            [&](auto out) { return scbm_edit_get_patch(get(), out); });
    }
    result<scbm_edit_layer> layer(std::size_t index) const
    {
        return detail::get<scbm_edit_layer>(
            [&](auto out) { return scbm_edit_get_layer(get(), index, out); });
    }
    result<scbm_edit_change> change(std::size_t index) const
    {
        return detail::get<scbm_edit_change>(
            [&](auto out) { return scbm_edit_get_change(get(), index, out); });
    }

private:
    std::unique_ptr<scbm_edit, detail::deleter<scbm_edit_free>> handle_;
};

/** A prediction and the class that a concept is to have in it. */
struct example {
    const scbm::prediction *prediction;
    std::size_t class_index;
};

/** The gradients of a model. May be used by any number of threads. */
class gradients {
public:
    explicit gradients(scbm_gradients *handle) : handle_(handle) {}
    const scbm_gradients *get() const { return handle_.get(); }

    static result<gradients> load(const std::string &path, const model &of,
                                  scbm_load_options options = load_options())
    {
        return detail::own<gradients, scbm_gradients>(
            [&](auto out) { return scbm_gradients_load(path.c_str(), of.get(), &options, out); });
    }

    result<std::string_view> device() const
    {
        auto text = detail::get<const char *>([&](auto out) { return scbm_gradients_get_device(get(), out); });
        if (!text) return text.failure();
        return std::string_view(text.value());
    }
    /** The smallest edit that turns the examples and leaves the guards; see scbm_search_edit. */
    result<edit> search(std::size_t concept_index, span<example> examples,
                        span<const prediction *> guards = {},
                        scbm_edit_options options = edit_options()) const
    {
        std::vector<const scbm_prediction *> turned, kept;
        std::vector<std::size_t> classes;
        for (const example &one : examples) {
            turned.push_back(one.prediction->get());
            classes.push_back(one.class_index);
        }
        for (const prediction *one : guards) kept.push_back(one->get());
        return detail::own<edit, scbm_edit>([&](auto out) {
            return scbm_search_edit(get(), concept_index, turned.data(), classes.data(), turned.size(),
                                    kept.data(), kept.size(), &options, out);
        });
    }

private:
    std::unique_ptr<scbm_gradients, detail::deleter<scbm_gradients_free>> handle_;
};

/** Which weights of an exported model each concept uses. May be used by any number of threads. */
class subnetworks {
public:
    explicit subnetworks(scbm_subnetworks *handle) : handle_(handle) {}
    const scbm_subnetworks *get() const { return handle_.get(); }

    static result<subnetworks> load(const std::string &path)
    {
        return detail::own<subnetworks, scbm_subnetworks>(
            [&](auto out) { return scbm_subnetworks_load(path.c_str(), out); });
    }
    static result<subnetworks> from_memory(span<unsigned char> bytes)
    {
        return detail::own<subnetworks, scbm_subnetworks>(
            [&](auto out) { return scbm_subnetworks_from_memory(bytes.data(), bytes.size(), out); });
    }

    result<scbm_subnetworks_info> info() const
    {
        return detail::get<scbm_subnetworks_info>(
            [&](auto out) { return scbm_subnetworks_get_info(get(), out); });
    }
    result<std::string_view> json() const
    {
        auto text = detail::get<const char *>([&](auto out) { return scbm_subnetworks_get_json(get(), out); });
        if (!text) return text.failure();
        return std::string_view(text.value());
    }
    result<scbm_subnetwork> concept_at(std::size_t index) const
    {
        return detail::get<scbm_subnetwork>(
            [&](auto out) { return scbm_subnetworks_get_concept(get(), index, out); });
    }
    result<scbm_layer> layer(std::size_t index) const
    {
        return detail::get<scbm_layer>(
            [&](auto out) { return scbm_subnetworks_get_layer(get(), index, out); });
    }

private:
    std::unique_ptr<scbm_subnetworks, detail::deleter<scbm_subnetworks_free>> handle_;
};

} // namespace scbm

#endif
