use crate::error::{Error, ErrorKind};
use crate::onnx::NodeProto;

/// Where a graph is not what the sparse kernels run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The node or constant.
    pub(crate) place: String,
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// What was matched, or where it did not.
pub(crate) type Matched<T> = std::result::Result<T, Mismatch>;

impl Mismatch {
    pub(crate) fn at_node(
        name: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Mismatch {
        Mismatch { place: format!("node '{name}'"), expected: expected.into(), found: found.into() }
    }

    pub(super) fn at_constant(
        name: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Mismatch {
        Mismatch {
            place: format!("initializer '{name}'"),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// Goes on where the node is as expected.
pub(super) fn require(
    node: &NodeProto,
    holds: bool,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Matched<()> {
    match holds {
        true => Ok(()),
        false => Err(Mismatch::at_node(&node.name, expected, found)),
    }
}

/// The backbones whose graphs are matched.
const KNOWN: &str = concat!(
    "a BERT, RoBERTa, XLM-RoBERTa, DistilBERT, OPT, GPT-2 or ModernBERT ",
    "as `sparsecbm export` writes it, in the layout `branches`"
);

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Error {
        let Mismatch { place, expected, found } = mismatch;
        Error::new(ErrorKind::Unavailable, place, found, format!("{expected}: {KNOWN}"))
    }
}
