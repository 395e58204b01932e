use serde::Serialize;
use sparsecbm::Result;
use sparsecbm::explain::{LayerSubnetworks, Subnetworks};

/// Cells along the longer side of a matrix; the other side has as many as its share of it.
const FINENESS: usize = 64;
/// Shades between none kept and the most that any cell keeps.
const SHADES: u8 = 5;

/// Where a concept keeps weights of one matrix: a grid, each cell darker the more of its weights are kept.
#[derive(Debug, PartialEq, Serialize)]
pub struct Heatmap {
    pub concept: String,
    /// Cells across (inputs) and down (outputs).
    pub width: usize,
    pub height: usize,
    /// One SVG path a shade: the cells that have it.
    pub shades: Vec<Shade>,
    /// Share that the darkest cells keep.
    pub most: String,
}

/// The cells of one shade.
#[derive(Debug, PartialEq, Serialize)]
pub struct Shade {
    /// CSS class.
    pub class: String,
    /// What an SVG path draws: runs of cells, side by side.
    pub path: String,
}

impl Heatmap {
    pub fn new(
        subnetworks: &Subnetworks,
        concept: &str,
        layer: &LayerSubnetworks,
    ) -> Result<Heatmap> {
        let longest = layer.rows.max(layer.columns);
        let cells = |size: usize| (size * FINENESS).div_ceil(longest).min(size).max(1);
        let grid =
            subnetworks.heatmap(concept, &layer.name, cells(layer.rows), cells(layer.columns))?;
        Ok(Heatmap::of(concept, &grid))
    }

    fn of(concept: &str, grid: &[Vec<f32>]) -> Heatmap {
        let most = grid.iter().flatten().copied().fold(0.0, f32::max);
        let shade = |share: f32| match most > 0.0 {
            // Whatever is kept at all is seen.
            true if share > 0.0 => (share / most * f32::from(SHADES)).ceil() as u8,
            _ => 0,
        };
        let shades = (1..=SHADES).map(|wanted| Shade {
            class: format!("heat-{wanted}"),
            path: runs(grid, |share| shade(share) == wanted),
        });
        Heatmap {
            concept: concept.into(),
            width: grid.first().map_or(0, Vec::len),
            height: grid.len(),
            shades: shades.filter(|shade| !shade.path.is_empty()).collect(),
            most: format!("{:.0} %", 100.0 * most),
        }
    }
}

/// Rectangles one cell high over the cells that are `wanted`.
fn runs(grid: &[Vec<f32>], wanted: impl Fn(f32) -> bool) -> String {
    let mut path = String::new();
    for (y, row) in grid.iter().enumerate() {
        let mut x = 0;
        while x < row.len() {
            let length = row[x..].iter().take_while(|&&share| wanted(share)).count();
            if length > 0 {
                path += &format!("M{x} {y}h{length}v1h-{length}z");
            }
            x += length.max(1);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_one_shade_are_drawn_in_runs() {
        let grid = [vec![0.0, 0.5, 0.5], vec![0.5, 0.0, 0.01]];
        let map = Heatmap::of("noise", &grid);
        assert_eq!((map.width, map.height, map.most.as_str()), (3, 2, "50 %"));
        let shades: Vec<(&str, &str)> =
            map.shades.iter().map(|s| (s.class.as_str(), s.path.as_str())).collect();
        assert_eq!(shades, [("heat-1", "M2 1h1v1h-1z"), ("heat-5", "M1 0h2v1h-2zM0 1h1v1h-1z")]);
    }

    #[test]
    fn an_empty_mask_draws_nothing() {
        assert!(Heatmap::of("noise", &[vec![0.0; 4]]).shades.is_empty());
    }
}
