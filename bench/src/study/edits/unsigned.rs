use sparsecbm::Result;
use sparsecbm::gradients::MaskEditor;

/// The rule of the paper's code, which ignores the sign of the gradient: in each matrix it prunes the share
/// `share` of the kept bits whose |m · g · w| is smallest, and grows as many of the others whose |g · w| is
/// largest. `gradients` is as [`MaskEditor::mask_gradients`] gives it.
pub(super) fn flip(
    editor: &MaskEditor,
    gradients: &[Vec<f32>],
    share: f64,
) -> Result<(MaskEditor, usize)> {
    let mut flipped = editor.clone();
    let mut flips = 0;
    for (matrix, (mask, gradient)) in editor.masks().iter().zip(gradients).enumerate() {
        let index_of = |index: usize| (index / mask.columns(), index % mask.columns());
        let keeps = |index: &usize| mask.keeps(index_of(*index).0, index_of(*index).1);
        let (mut kept, mut others): (Vec<usize>, Vec<usize>) = (0..gradient.len()).partition(keeps);
        let size = |index: &usize| gradient[*index].abs();
        let count = ((kept.len() as f64 * share) as usize).min(others.len());
        kept.sort_by(|a, b| size(a).total_cmp(&size(b)));
        others.sort_by(|a, b| size(b).total_cmp(&size(a)));
        for index in kept[..count].iter().chain(&others[..count]) {
            let (row, column) = index_of(*index);
            flipped.flip(matrix, row, column);
        }
        flips += 2 * count;
    }
    Ok((flipped, flips))
}
