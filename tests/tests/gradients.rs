//! Gradient files on tract against PyTorch's autograd and Captum. `tests/python/check_gradients.py` does the
//! same on ONNX Runtime.

use std::collections::{BTreeMap, HashMap};

use sparsecbm::onnx::{self, DataType, ModelProto};
use sparsecbm_exporter::{
    Checkpoint, ExportOptions, MaskForm, WeightForm, export, export_gradients,
};
use sparsecbm_tests::{
    GradientGoldens, Tensor as Golden, checkpoint, gradient_goldens, largest_difference,
};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

/// Of a gradient as a share of its length, and of logits.
const TOLERANCE: f64 = 1e-3;

/// A gradient file with the masks of its checkpoint.
struct Gradients {
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// Of each masked layer `[K, blocks, bytes]`.
    masks: HashMap<String, (Vec<usize>, Vec<u8>)>,
}

impl Gradients {
    fn load(model: &str, weights: WeightForm) -> Gradients {
        let checkpoint = Checkpoint::open(checkpoint(model)).expect("the checkpoint");
        let options =
            ExportOptions { weights, masks: MaskForm::Packed, ..ExportOptions::default() };
        let file =
            export_gradients(&checkpoint, &options).unwrap_or_else(|e| panic!("{model}: {e}"));
        let exported = export(&checkpoint, &ExportOptions { check: false, ..options });
        let exported = exported.and_then(|exported| exported.to_bytes()).expect("exported");
        let exported = onnx::decode(exported.into(), model).expect("ONNX");
        let file = file.to_bytes().expect("bytes");
        let gradients = onnx::decode(file.clone().into(), model).expect("ONNX");
        for entry in ["sparsecbm.checkpoint", "sparsecbm.schema"] {
            let of = |model| onnx::metadata(model, entry).expect("an entry").to_string();
            assert_eq!(of(&gradients), of(&exported), "{model}: what ties the files together");
        }
        let graph = gradients.graph.as_ref().expect("a graph");
        Gradients {
            plan: plan(&file).unwrap_or_else(|e| panic!("{model}: {e:#}")),
            inputs: graph.input.iter().map(|input| input.name.clone()).collect(),
            outputs: graph.output.iter().map(|output| output.name.clone()).collect(),
            masks: masks(&exported),
        }
    }

    /// Runs rows one by one; mask gradients are summed over them, the rest comes one after the other.
    fn run(&self, inputs: &BTreeMap<String, Golden>, masks: usize) -> HashMap<String, Vec<f32>> {
        let rows = inputs["input_ids"].shape[0];
        let mut results: HashMap<String, Vec<f32>> = HashMap::new();
        for row in 0..rows {
            let given = self.inputs.iter().map(|name| self.given(name, inputs, masks, row));
            let given = given.map(|tensor| tensor.into_tvalue()).collect();
            let values = self.plan.run(given).expect("tract runs it");
            for (name, value) in self.outputs.iter().zip(values) {
                let value = value.try_as_plain_ram().expect("in memory");
                let found = value.as_slice::<f32>().expect("floats");
                let result = results.entry(name.clone()).or_default();
                match name.ends_with(".mask_gradient") && row > 0 {
                    true => result.iter_mut().zip(found).for_each(|(sum, part)| *sum += part),
                    false => result.extend(found),
                }
            }
        }
        results
    }

    fn given(
        &self,
        name: &str,
        inputs: &BTreeMap<String, Golden>,
        masks: usize,
        row: usize,
    ) -> Tensor {
        if let Some((shape, bits)) = self.masks.get(name) {
            let size = shape[1] * shape[2];
            let own = &bits[masks * size..(masks + 1) * size];
            return Tensor::from_shape(&shape[1..], own).expect("a shape of the bits");
        }
        let golden = &inputs[name];
        if name == "concept" {
            return tensor1(&[golden.data[0] as i64]);
        }
        let (values, shape) = (golden.row(row), [&[1], &golden.shape[1..]].concat());
        match name {
            "alpha" | "logit_gradient" => Tensor::from_shape(&shape, values),
            _ => {
                let whole: Vec<i64> = values.iter().map(|&value| value as i64).collect();
                Tensor::from_shape(&shape, &whole)
            }
        }
        .expect("a shape of the values")
    }
}

/// The graph for one text of any length.
fn plan(bytes: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
    let proto = onnx.proto_model_for_read(&mut &bytes[..])?;
    let symbols = SymbolScope::default();
    let sequence = symbols.sym("S").to_dim();
    let template = InferenceModel { symbols, ..InferenceModel::default() };
    let mut graph = onnx.model_for_proto_model_with_model_template(&proto, template)?;
    for (index, outlet) in graph.input_outlets()?.to_vec().into_iter().enumerate() {
        let name = graph.node(outlet.node).name.clone();
        let positions = tvec![1.to_dim(), sequence.clone()];
        let fact = match name.as_str() {
            "input_ids" | "baseline_ids" | "attention_mask" => {
                InferenceFact::dt_shape(i64::datum_type(), positions)
            }
            "alpha" => InferenceFact::dt_shape(f32::datum_type(), [1]),
            "logit_gradient" => {
                let classes = graph.outlet_fact(outlet)?.shape.dim(1).expect("two dimensions");
                let classes = classes.concretize().expect("a fixed size");
                InferenceFact::dt_shape(f32::datum_type(), tvec![1.to_dim(), classes])
            }
            _ => continue,
        };
        graph.set_input_fact(index, fact)?;
    }
    graph.into_optimized()?.into_runnable()
}

/// The packed masks of an exported model, under the names that the gradient file has for them.
fn masks(model: &ModelProto) -> HashMap<String, (Vec<usize>, Vec<u8>)> {
    let constants = model.graph.iter().flat_map(|graph| &graph.initializer);
    let masks = constants.filter(|constant| constant.data_type == DataType::Uint8 as i32);
    masks
        .filter(|constant| constant.name.ends_with(".mask_bits"))
        .map(|constant| {
            let shape = constant.dims.iter().map(|&size| size as usize).collect();
            (constant.name.clone(), (shape, constant.raw_data.to_vec()))
        })
        .collect()
}

fn each_model(check: impl Fn(&GradientGoldens, &Gradients)) {
    for goldens in gradient_goldens() {
        check(&goldens, &Gradients::load(&goldens.model, WeightForm::F32));
    }
}

#[test]
fn gradients_are_those_of_autograd() {
    each_model(|goldens, gradients| {
        let mut largest = 0.0_f64;
        for case in &goldens.cases {
            let found = gradients.run(&case.inputs, case.masks);
            let difference =
                largest_difference(&found["concept_logits"], &case.concept_logits.data);
            largest = largest.max(difference.into());
            assert_eq!(found.len(), case.gradients.len() + 1, "{}: outputs", goldens.model);
            for (name, golden) in &case.gradients {
                let error = golden.error(&found[name]);
                assert!(error < TOLERANCE, "{}: {name}: {error:e}", goldens.model);
                largest = largest.max(error);
            }
        }
        println!("{}: largest error {largest:.1e}", goldens.model);
        assert!(largest < TOLERANCE, "{}: {largest:e}", goldens.model);
    });
}

#[test]
fn integrated_gradients_are_those_of_captum() {
    each_model(|goldens, gradients| {
        for case in &goldens.integrated {
            let classes = goldens.cases[0].inputs["logit_gradient"].shape[1];
            let one = |shape: &[usize], data: Vec<f32>| Golden { shape: shape.to_vec(), data };
            let mut inputs = case.inputs.clone();
            let given = (0..classes).map(|class| f32::from(class == case.class)).collect();
            inputs.insert("logit_gradient".into(), one(&[1, classes], given));
            inputs.insert("concept".into(), one(&[1], vec![case.concept as f32]));
            let positions = case.attributions.data.len();
            let mut sums = vec![0.0_f64; positions];
            for step in 0..case.steps {
                let alpha = (step as f32 + 0.5) / case.steps as f32;
                inputs.insert("alpha".into(), one(&[1], vec![alpha]));
                let found = gradients.run(&inputs, case.masks);
                let (gradient, change) = (&found["embedding_gradient"], &found["embedding_change"]);
                let width = gradient.len() / positions;
                for (index, (g, change)) in gradient.iter().zip(change).enumerate() {
                    sums[index / width] += f64::from(g * change) / case.steps as f64;
                }
            }
            let found: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
            let expected = &case.attributions.data;
            let largest = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let error = f64::from(largest_difference(&found, expected) / largest);
            println!("{}: integrated gradients differ by {error:.1e}", goldens.model);
            assert!(error < TOLERANCE, "{}: {error:e}", goldens.model);
        }
    });
}
