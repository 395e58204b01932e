//! A model whose large constants are made from a checkpoint while it is written, one after the other. Lengths are
//! known beforehand from types and shapes, so that a file, or bytes in memory, can be written from begin to end.

use std::collections::HashMap;
use std::fmt;

use prost::Message;
use sha1::{Digest, Sha1};
use sparsecbm::Result;
use sparsecbm::onnx::{
    DataType, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
};

use crate::checkpoint::{Checkpoint, hexadecimal};
use crate::graph::{Elements, GraphSpec, OPSET};

/// Version of the ONNX container: the one that came with operator set 20.
const IR_VERSION: i64 = 9;
/// `TensorProto.data_location`: the elements are in another file.
const EXTERNAL: i32 = 1;
/// The keys of length-delimited fields: `field number << 3 | 2`.
const MODEL_GRAPH: u8 = 7 << 3 | 2;
const GRAPH_INITIALIZER: u8 = 5 << 3 | 2;
const TENSOR_RAW_DATA: u8 = 9 << 3 | 2;

/// A model to be written.
#[derive(Clone)]
pub(crate) struct StreamingModel<'a> {
    checkpoint: &'a Checkpoint,
    graph: GraphProto,
    /// Of the constants whose elements the graph does not hold.
    elements: HashMap<String, Elements>,
    metadata: Vec<StringStringEntryProto>,
}

/// Bytes of the file, and elements that follow them.
struct Frame<'d> {
    bytes: Vec<u8>,
    elements: Option<(&'d Elements, usize)>,
}

impl Frame<'_> {
    fn len(&self) -> usize {
        self.bytes.len() + self.elements.map_or(0, |(_, size)| size)
    }
}

impl<'a> StreamingModel<'a> {
    /// The graph made of `checkpoint`, and what is to be known of it as a model.
    pub(crate) fn new<const N: usize>(
        checkpoint: &'a Checkpoint,
        spec: GraphSpec,
        metadata: [(&str, String); N],
    ) -> StreamingModel<'a> {
        let GraphSpec { graph, elements } = spec;
        let metadata = metadata.into_iter().map(|(key, value)| entry(key, value)).collect();
        StreamingModel { checkpoint, graph, elements, metadata }
    }

    /// How many bytes [`StreamingModel::write`] gives.
    pub(crate) fn encoded_len(&self) -> usize {
        self.frames().iter().map(Frame::len).sum()
    }

    /// Calls `write` with the file's bytes, piece by piece: those that prost gives for the same model, whose fields are
    /// in the order of their numbers.
    ///
    /// # Errors
    /// Those of [`Elements::write`].
    pub(crate) fn write(&self, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for Frame { bytes, elements } in self.frames() {
            write(&bytes)?;
            if let Some((elements, size)) = elements {
                self.write_elements(elements, size, write)?;
            }
        }
        Ok(())
    }

    /// The file in memory.
    ///
    /// # Errors
    /// Those of [`Elements::write`].
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut all = Vec::with_capacity(self.encoded_len());
        self.write(&mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(all)
    }

    /// Moves the constants of at least `smallest` bytes into a file called `location`, each at a multiple of
    /// `alignment`, and leaves references to it, with its checksum. Calls `write` with that file's bytes.
    ///
    /// # Errors
    /// Those of [`Elements::write`].
    pub(crate) fn move_out(
        &mut self,
        location: &str,
        smallest: usize,
        alignment: usize,
        write: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut checksum = Sha1::new();
        let write = &mut |bytes: &[u8]| {
            checksum.update(bytes);
            write(bytes)
        };
        let mut end = 0_usize;
        let mut tensors = std::mem::take(&mut self.graph.initializer);
        for tensor in &mut tensors {
            let elements = self.elements.get(&tensor.name);
            let size = elements.map_or(tensor.raw_data.len(), |_| size(tensor));
            if size < smallest {
                continue;
            }
            let start = end.next_multiple_of(alignment);
            write(&vec![0; start - end])?;
            match elements {
                Some(elements) => self.write_elements(elements, size, write)?,
                None => write(&std::mem::take(&mut tensor.raw_data))?,
            }
            end = start + size;
            self.elements.remove(&tensor.name);
            tensor.data_location = EXTERNAL;
            tensor.external_data = vec![
                entry("location", location.into()),
                entry("offset", start.to_string()),
                entry("length", size.to_string()),
            ];
        }
        let checksum = hexadecimal(&checksum.finalize());
        for tensor in tensors.iter_mut().filter(|tensor| tensor.data_location == EXTERNAL) {
            tensor.external_data.push(entry("checksum", checksum.clone()));
        }
        self.graph.initializer = tensors;
        Ok(())
    }

    fn write_elements(
        &self,
        elements: &Elements,
        size: usize,
        write: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut written = 0;
        elements.write(self.checkpoint, &mut |bytes| {
            written += bytes.len();
            write(bytes)
        })?;
        assert_eq!(written, size, "elements are as many as the shape says");
        Ok(())
    }

    /// The file in order.
    fn frames(&self) -> Vec<Frame<'_>> {
        let head = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "sparsecbm".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            ..ModelProto::default()
        };
        let opset = OperatorSetIdProto { domain: String::new(), version: OPSET };
        let tail = ModelProto {
            opset_import: vec![opset],
            metadata_props: self.metadata.clone(),
            ..ModelProto::default()
        };
        let graph = self.graph_frames();
        let mut bytes = head.encode_to_vec();
        push_key(&mut bytes, MODEL_GRAPH, graph.iter().map(Frame::len).sum());
        let mut frames = vec![Frame { bytes, elements: None }];
        frames.extend(graph);
        frames.push(Frame { bytes: tail.encode_to_vec(), elements: None });
        frames
    }

    fn graph_frames(&self) -> Vec<Frame<'_>> {
        let GraphProto { node, name, initializer, input, output, value_info } = &self.graph;
        let head = GraphProto { node: node.clone(), name: name.clone(), ..GraphProto::default() };
        let tail = GraphProto {
            input: input.clone(),
            output: output.clone(),
            value_info: value_info.clone(),
            ..GraphProto::default()
        };
        let mut frames = vec![Frame { bytes: head.encode_to_vec(), elements: None }];
        frames.extend(initializer.iter().map(|tensor| self.tensor_frame(tensor)));
        frames.push(Frame { bytes: tail.encode_to_vec(), elements: None });
        frames
    }

    fn tensor_frame(&self, tensor: &TensorProto) -> Frame<'_> {
        let mut own = tensor.encode_to_vec();
        let elements = self.elements.get(&tensor.name).map(|elements| (elements, size(tensor)));
        let mut length = own.len();
        if let Some((_, size)) = elements {
            // What such a tensor has besides, its shape, type and name, comes before.
            push_key(&mut own, TENSOR_RAW_DATA, size);
            length = own.len() + size;
        }
        let mut bytes = Vec::new();
        push_key(&mut bytes, GRAPH_INITIALIZER, length);
        bytes.extend(own);
        Frame { bytes, elements }
    }
}

impl fmt::Debug for StreamingModel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingModel").field("graph", &self.graph.name).finish_non_exhaustive()
    }
}

/// Bytes of a tensor's elements.
fn size(tensor: &TensorProto) -> usize {
    let count: i64 = tensor.dims.iter().product();
    let each = match tensor.data_type() {
        DataType::Float => 4,
        DataType::Float16 => 2,
        DataType::Int8 | DataType::Uint8 => 1,
        other => unreachable!("no constant of {other:?} is made as it is written"),
    };
    count as usize * each
}

fn push_key(bytes: &mut Vec<u8>, key: u8, length: usize) {
    bytes.push(key);
    prost::encode_length_delimiter(length, bytes).expect("a vector grows");
}

fn entry(key: &str, value: String) -> StringStringEntryProto {
    StringStringEntryProto { key: key.into(), value }
}
