// The C++ wrapper, with and without exceptions. wrapper TINY.onnx TINY.gradients.onnx RAGGED.onnx
#include <sparsecbm.hpp>

#include <sparsecbm.hpp>

#include "check.h"

#include <cmath>
#include <type_traits>

static_assert(!std::is_copy_constructible_v<scbm::model>);
static_assert(std::is_nothrow_move_constructible_v<scbm::prediction>);

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    auto loaded = scbm::model::load(argv[1], scbm::load_options(SCBM_ENGINE_TRACT));
    CHECK(loaded.ok());
    scbm::model model = std::move(loaded).value();
    CHECK(model.info().value().concept_count == 3);
    CHECK(model.find_concept("plot").value() == 1);
    CHECK(model.concept_at(2).value().name == std::string_view("visual effects"));
    CHECK(model.label().value().class_count == 4);
    CHECK(model.schema_json().value().substr(0, 11) == "{\"version\":");

    scbm::prediction first = model.predict("bad plot, unwatched acting!").value();
    scbm::prediction changed = first.intervene("plot", "present").value();
    CHECK(changed.concept_at(1).value().overridden);
    CHECK(changed.concepts().value().size() == 3);
    scbm::label before = first.label().value(), after = changed.label().value();
    CHECK(before.name == "verdict" && before.class_names.size() == 4);
    float sum = 0, difference = 0;
    for (float p : after.probabilities) sum += p;
    for (std::size_t l = 0; l < 4; l++) difference += std::fabs(before.logits[l] - after.logits[l]);
    CHECK(std::fabs(sum - 1) < 1e-5f && difference > 0);
    CHECK(changed.undo("plot").value().label().value().logits[0] == before.logits[0]);
    CHECK(changed.undo_all().value().label().value().logits[0] == before.logits[0]);
    CHECK(first.intervene("plot", std::size_t{1}).value().label().value().logits[0] == after.logits[0]);
    const float certain[] = {0, 1};
    CHECK(first.intervene_probabilities("plot", {certain, 2}).value().label().value().logits[0]
          == after.logits[0]);
    CHECK(first.intervene_logits("plot", {certain, 2}).ok());
    CHECK(model.answer_count().value() == 1);
    CHECK(first.suppose("plot", "present").value().label().value().logits[0] == after.logits[0]);
    CHECK(changed.concept_at(1).value().question == SCBM_QUESTION_SUPPOSE);
    CHECK(changed.concept_at(0).value().question == SCBM_QUESTION_NONE);
    CHECK(first.token(1).value().piece == std::string_view("bad"));
    scbm::tokens tokens = model.tokenize("bad plot, unwatched acting!").value();
    CHECK(tokens.info().value().token_count == 11 && tokens.token(1).value().end == 3);
    CHECK(model.predict_tokens(tokens.ids().value()).value().label().value().logits[0] == before.logits[0]);
    CHECK(model.tokenize("\xff").failure().status() == SCBM_ERROR_ARGUMENT && !tokens.token(11));
    CHECK(first.evidence(0, 0).value().size() == first.info().value().position_count);
    CHECK(changed.explain().value().json().value().front() == '{');
    scbm::explanation why = changed.explain().value();
    CHECK(why.what_if(0, 0).ok() && why.contribution(2).ok() && why.suggestion(0).ok());
    CHECK(why.word(0).value().text == std::string_view("bad") && why.word_evidence(2, 1).ok());
    CHECK(why.info().value().word_count == 6);
    CHECK(why.baseline().value().size() == 4 && !why.occlusion());
    if (why.info().value().change_count > 0) CHECK(why.change(0).ok() && why.changed_label().ok());
    scbm_explain_options thorough = scbm::explain_options(SCBM_POLICY_UNCERTAINTY);
    thorough.occlusion_words = 2;
    thorough.faithfulness_steps = 2;
    scbm::explanation asked = first.explain(thorough).value();
    CHECK(asked.concept_loss(0, 1).value().size() == 2 && asked.label_loss(3).value().size() == 2);
    CHECK(asked.faithfulness(0).value().point_count == 3);
    CHECK(first.json().value().front() == '{');
    scbm::gradients gradients = scbm::gradients::load(argv[2], model).value();
    CHECK(!gradients.device().value().empty());
    const scbm::example wanted[] = {{&first, 1 - first.concept_at(1).value().class_index}};
    const scbm::prediction *guards[] = {&first};
    CHECK(!gradients.search(1, {wanted, 1}, {guards, 0}, scbm_edit_options{}).ok());
    scbm::edit edit = gradients.search(1, {wanted, 1}).value();
    CHECK(edit.info().value().end == SCBM_EDIT_TURNED && edit.json().value().front() == '{');
    CHECK(edit.layer(0).ok() && edit.change(0).ok() && !edit.change(1));
    scbm::patch patch = edit.patch().value();
    scbm::patch same = scbm::patch::from_json(patch.json().value()).value();
    CHECK(same.info().value().flip_count == edit.info().value().flip_count);
    const scbm::patch *patches[] = {&same};
    scbm::model edited = model.with_patches({patches, 1}).value();
    CHECK(edited.patch_count().value() == 1 && edited.patch_at(0).ok() && !edited.patch_at(1));
    CHECK(edited.predict("bad plot, unwatched acting!").value().concept_at(1).value().class_index
          == wanted[0].class_index);
    CHECK(edited.with_patches({}).value().patch_count().value() == 0);
    scbm_explain_options integrated = scbm::explain_options();
    integrated.gradients = gradients.get();
    CHECK(first.explain(integrated).value().attribution(2, 1).ok() && !why.attribution(0, 0));

    scbm::model ragged = scbm::model::load(argv[3], scbm::load_options(SCBM_ENGINE_TRACT)).value();
    CHECK(ragged.answer_count().value() == 2);
    scbm::prediction read = ragged.predict("bad plot").value();
    scbm::prediction supposed = read.suppose("pace", "slow").value(), corrected = read.correct("pace", "slow").value();
    CHECK(supposed.label().value().logits[0] != corrected.label().value().logits[0]);
    CHECK(corrected.concept_at(1).value().question == SCBM_QUESTION_CORRECT);
    CHECK(corrected.concept_at(0).value().probabilities.size() == 2 && read.evidence(2, 4).ok());
    const float slow[] = {1, 0, 0}, almost[] = {200, 0, 0};
    const scbm::prediction ways[] = {read.correct("pace", std::size_t{0}).value(),
                                     read.correct_probabilities("pace", {slow, 3}).value(),
                                     read.correct_logits("pace", {almost, 3}).value()};
    for (const scbm::prediction &way : ways)
        CHECK(way.label().value().logits[0] == corrected.label().value().logits[0]);
    CHECK(read.suppose_probabilities("pace", {slow, 3}).value().label().value().logits[0]
          == supposed.label().value().logits[0]);
    CHECK(read.suppose("pace", std::size_t{0}).ok() && read.suppose_logits("pace", {almost, 3}).ok());
    CHECK(corrected.explain().value().rest().value().size() == 7 && !read.correct("pace", "late"));

    scbm::subnetworks weights = scbm::subnetworks::load(argv[1]).value();
    CHECK(weights.concept_at(1).value().concept_name == std::string_view("plot"));
    CHECK(weights.layer(0).ok() && weights.info().value().layer_count > 0);
    CHECK(weights.json().value().front() == '{');

    const std::string_view texts[] = {"good", "", "bad plot"};
    CHECK(model.predict_batch({texts, 3}).value().size() == 3);
    const std::uint32_t ids[] = {2, 91, 3};
    CHECK(model.predict_tokens({ids, 3}).ok());
    const scbm::span<std::uint32_t> sequences[] = {{ids, 3}, {ids, 2}};
    CHECK(model.predict_tokens_batch({sequences, 2}).value().size() == 2);

    auto wrong = first.intervene("taste", "present");
    CHECK(!wrong && wrong.failure().status() == SCBM_ERROR_INPUT);
    CHECK(wrong.failure().message().rfind("concept: found 'taste'", 0) == 0);
    CHECK(scbm::model::load("/no/such/file").failure().status() == SCBM_ERROR_IO);
#if defined(__cpp_exceptions)
    bool caught = false;
    try {
        (void)first.undo("taste").value();
    } catch (const scbm::error &e) {
        caught = e.status() == SCBM_ERROR_INPUT;
    }
    CHECK(caught);
#endif
    return 0;
}
