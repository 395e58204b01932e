//! What the sparse engine makes of the shipped model: small, and chosen by its masks.

use std::num::NonZeroUsize;

use sparsecbm::sparse::PackLayout;
use sparsecbm::{EngineChoice, LoadOptions, Model, PlannedProduct, SparseOptions};
use sparsecbm_bench::variants::{
    in_single_weights, one_dense_pass, with_concepts, with_length, with_masks_at_random,
};
use sparsecbm_exporter::{Checkpoint, ExportOptions, MaskForm, WeightForm, export};
use sparsecbm_tests::{exported, graph_engine, known_to_sparse, largest_difference, repository};

fn plan(weights: WeightForm, masks: MaskForm) -> Vec<PlannedProduct> {
    let options = ExportOptions { weights, masks, ..ExportOptions::default() };
    load(exported("examples/models/cebab", &options)).plan().to_vec()
}

fn load(bytes: Vec<u8>) -> Model {
    load_on(EngineChoice::Sparse, bytes)
}

fn load_on(engine: EngineChoice, bytes: Vec<u8>) -> Model {
    let options = LoadOptions::default().with_engine(engine);
    Model::from_bytes(bytes, &options).expect("the model loads")
}

/// The model of a checkpoint that is no golden one, on the sparse kernels.
fn exported_unchecked(checkpoint: &Checkpoint, masks: MaskForm) -> Model {
    let options = ExportOptions { check: false, masks, ..ExportOptions::default() };
    load(export(checkpoint, &options).and_then(|exported| exported.to_bytes()).expect("bytes"))
}

fn backbone(plan: &[PlannedProduct]) -> impl Iterator<Item = &PlannedProduct> {
    plan.iter().filter(|product| product.name != "concept_head")
}

#[test]
fn packed_weights_take_at_most_half_more_than_kept_weights_and_their_indices() {
    for (form, width) in [(WeightForm::F16, 2), (WeightForm::F32, 4), (WeightForm::Int8, 1)] {
        for masks in [MaskForm::Packed, MaskForm::Folded] {
            for product in backbone(&plan(form, masks)) {
                // An index of 16 bits for each block of four weights, which is how this mask keeps them.
                let kept = product.weights * width + product.weights / 4 * 2;
                assert!(
                    2 * product.bytes <= 3 * kept,
                    "{form:?} {masks:?}: {} takes {} bytes, {kept} are kept",
                    product.name,
                    product.bytes,
                );
            }
        }
    }
}

/// Beside the golden vectors, for which weights must be exact.
#[test]
fn every_form_of_every_known_backbone_gives_what_the_graph_engine_gives() {
    // Not the shipped one, whose forms take minutes to export.
    for name in known_to_sparse().filter(|name| name.starts_with("tests/models/")) {
        for weights in [WeightForm::F16, WeightForm::Int8] {
            for masks in [MaskForm::Packed, MaskForm::Folded] {
                let options = ExportOptions { weights, masks, ..ExportOptions::default() };
                let bytes = exported(name, &options);
                let engines = [EngineChoice::Sparse, graph_engine()];
                let [found, expected] = engines.map(|engine| {
                    let model = load_on(engine, bytes.clone());
                    let prediction = model.predict("The movie was very good").expect("runs");
                    let evidence = prediction.token_evidence();
                    evidence
                        .iter()
                        .chain(prediction.concept_logits())
                        .copied()
                        .collect::<Vec<f32>>()
                });
                let apart = largest_difference(&found, &expected);
                assert!(apart <= 1e-5, "{name} {weights:?} {masks:?}: {apart}");
            }
        }
    }
}

#[test]
fn the_shipped_masks_run_in_blocks_and_cost_less_than_dense() {
    for product in backbone(&plan(WeightForm::F16, MaskForm::Packed)) {
        assert_eq!(product.layout, PackLayout::Blocks, "{}", product.name);
        assert!(product.microseconds < product.dense_microseconds, "{}", product.name);
        assert!(product.multiplied >= product.weights, "{}", product.name);
    }
}

/// The checkpoints that `bench growth` and `bench sparse` measure.
#[test]
fn concepts_taken_in_turns_say_what_the_first_ones_say() {
    let open = || Checkpoint::open(repository().join("tests/models/tiny")).expect("it opens");
    let predict = |checkpoint: &Checkpoint| {
        let model = exported_unchecked(checkpoint, MaskForm::Packed);
        model.predict("The movie was very good").expect("the text has an answer")
    };
    let own = predict(&open());
    let concepts = own.concepts().len();
    for count in [1, concepts, 2 * concepts + 1] {
        let grown = predict(&with_concepts(open(), count).expect("its heads are read"));
        assert_eq!(grown.concepts().len(), count);
        for k in 0..count {
            let (found, expected) = (grown.concept_logits(), own.concept_logits());
            assert_eq!(found.row(k), expected.row(k % concepts), "concept {k} of {count}");
        }
    }
}

#[test]
fn left_open_the_engine_is_the_sparse_one_where_that_is_worth_it() {
    let device = |model: &str| {
        let bytes = exported(model, &ExportOptions::default());
        let model = Model::from_bytes(bytes, &LoadOptions::default()).expect("the model loads");
        let reason = model.device().reason.clone().expect("why it was chosen");
        (model.engine().to_owned(), reason)
    };
    let (engine, reason) = device("examples/models/cebab");
    assert_eq!(engine, "sparse", "{reason}");
    assert!(reason.contains("% of the time"), "{reason}");
    // So small that its masks are not worth indices, and one that the kernels do not know.
    for (model, why) in
        [("tests/models/tiny", "% of the time"), ("tests/models/bilstm", "do not know")]
    {
        let (engine, reason) = device(model);
        assert!(["tract", "ort-cpu"].contains(&&*engine), "{engine}: {reason}");
        assert!(reason.contains(why), "{reason}");
    }
}

/// Of the same model with fewer weights, the kernels are worth it.
#[test]
fn left_open_the_engine_of_a_modern_bert_is_the_sparse_one_where_that_is_worth_it() {
    for (sparsity, sparse) in [(0.0, false), (0.95, true)] {
        let checkpoint = Checkpoint::open(repository().join("tests/models/modernbert"));
        let checkpoint =
            checkpoint.and_then(|c| with_masks_at_random(c, sparsity, 4)).expect("its weights");
        let options = ExportOptions { check: false, ..ExportOptions::default() };
        let bytes = export(&checkpoint, &options).and_then(|exported| exported.to_bytes());
        let model = load_on(EngineChoice::Auto, bytes.expect("bytes"));
        let reason = model.device().reason.clone().expect("why it was chosen");
        assert!(reason.contains("% of the time"), "{reason}");
        assert_eq!(model.engine() == "sparse", sparse, "{sparsity}: {reason}");
    }
}

/// Long enough for teams of threads: of every backbone, whatever its tokens see.
#[test]
fn however_many_threads_there_are_the_bits_are_the_same() {
    for name in known_to_sparse().filter(|name| name.starts_with("tests/models/")) {
        let checkpoint = Checkpoint::open(repository().join(name));
        let checkpoint = checkpoint.and_then(|c| with_length(c, 150)).expect("its positions");
        let options = ExportOptions { check: false, ..ExportOptions::default() };
        let bytes = export(&checkpoint, &options).and_then(|exported| exported.to_bytes());
        let bytes = bytes.expect("bytes");
        let on = |threads: usize| {
            let sparse = SparseOptions::default().with_threads(NonZeroUsize::new(threads));
            let options =
                LoadOptions::default().with_engine(EngineChoice::Sparse).with_sparse(sparse);
            Model::from_bytes(bytes.clone(), &options).expect("the model loads")
        };
        let one = on(1);
        let ids: Vec<u32> = one
            .tokenize("the movie was very good")
            .expect("tokens")
            .tokens
            .iter()
            .map(|t| t.id)
            .collect();
        for threads in [2, 3, 8, 64] {
            let several = on(threads);
            for length in [5, 70, 101, 150] {
                let ids: Vec<u32> = ids.iter().copied().cycle().take(length).collect();
                let bits = |model: &Model| {
                    let prediction = model.predict_tokens(&ids).expect("it runs");
                    let evidence = prediction.token_evidence();
                    evidence
                        .iter()
                        .chain(prediction.concept_logits())
                        .map(|x| x.to_bits())
                        .collect::<Vec<_>>()
                };
                assert_eq!(
                    bits(&several),
                    bits(&one),
                    "{name}, {length} tokens, {threads} threads"
                );
            }
            let list = several.predict_tokens_list(&[&ids], None).expect("it runs");
            let single = one.predict_tokens(&ids).expect("it runs");
            assert_eq!(list[0].concept_logits(), single.concept_logits(), "{name}, a list of one");
        }
    }
}

/// The checkpoints that `bench curve` measures.
#[test]
fn masks_by_chance_keep_their_share_in_blocks_and_alone() {
    for (block_rows, layout) in [(4, PackLayout::Blocks), (1, PackLayout::Rows)] {
        let checkpoint = Checkpoint::open(repository().join("examples/models/cebab"));
        let checkpoint = checkpoint
            .and_then(|c| with_masks_at_random(c, 0.95, block_rows))
            .expect("its weights");
        for mask in checkpoint.mask_statistics().expect("masks can be read").layers {
            assert_eq!(mask.block_rows, block_rows, "{}", mask.name);
            for density in mask.density {
                assert!((density - 0.05).abs() < 1e-4, "{}: {density}", mask.name);
            }
        }
        let model = exported_unchecked(&checkpoint, MaskForm::Packed);
        for product in backbone(model.plan()) {
            assert_eq!(product.layout, layout, "{}", product.name);
        }
    }
}

#[test]
fn masks_of_single_weights_keep_as_many_in_the_same_heads_and_neurons() {
    let open = || Checkpoint::open(repository().join("examples/models/cebab")).expect("it opens");
    let single = in_single_weights(open()).expect("its masks and weights");
    let statistics =
        |checkpoint: &Checkpoint| checkpoint.mask_statistics().expect("masks can be read").layers;
    for (own, single) in statistics(&open()).iter().zip(statistics(&single)) {
        assert_eq!((own.block_rows, single.block_rows), (4, 1), "{}", own.name);
        assert_eq!(own.density, single.density, "{}", own.name);
    }
    let own = exported_unchecked(&open(), MaskForm::Packed);
    let single = exported_unchecked(&single, MaskForm::Packed);
    for (own, single) in backbone(own.plan()).zip(backbone(single.plan())) {
        if single.name.ends_with("intermediate.dense") {
            assert_eq!(single.layout, PackLayout::Rows, "{}", single.name);
        }
        assert!(single.rows <= own.rows && single.columns <= own.columns, "{}", single.name);
        assert!(single.rows * 2 > own.rows, "{}: {} of {}", own.name, single.rows, own.rows);
    }
}

#[test]
fn one_dense_pass_multiplies_every_weight_once() {
    let checkpoint = Checkpoint::open(repository().join("tests/models/tiny")).expect("it opens");
    let layers = checkpoint.mask_statistics().expect("masks can be read").layers;
    let weights: usize = layers.iter().map(|layer| layer.rows * layer.columns).sum();
    let dense = one_dense_pass(checkpoint).expect("its weights are read");
    let model = exported_unchecked(&dense, MaskForm::Folded);
    let backbone: usize = backbone(model.plan()).map(|product| product.weights).sum();
    assert_eq!(backbone, weights);
}
