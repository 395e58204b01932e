use serde::Serialize;
use sparsecbm::Result;
use sparsecbm::explain::{LayerSubnetworks, SubnetworkReport, Subnetworks};

use super::heatmap::Heatmap;
use super::shading;

/// What a page shows of a model's subnetworks.
#[derive(Serialize)]
pub struct View {
    concepts: Vec<String>,
    used: String,
    density: Vec<Cell>,
    exclusive: Vec<Cell>,
    overlap: Vec<Row>,
    layers: Vec<LayerView>,
    heads: Vec<HeadsView>,
    maps: Vec<MapsView>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    shade: String,
}

#[derive(Serialize)]
struct LayerView {
    name: String,
    size: String,
    used: Cell,
    density: Vec<Cell>,
    exclusive: Vec<Cell>,
    /// Mean overlap of two different concepts.
    overlap: Cell,
    /// Neurons that serve one concept only, and none.
    own_neurons: Vec<usize>,
    unused_neurons: usize,
}

/// Attention heads of one matrix: concepts × heads.
#[derive(Serialize)]
struct HeadsView {
    name: String,
    rows: Vec<Row>,
}

/// One matrix under every concept's mask.
#[derive(Serialize)]
struct MapsView {
    name: String,
    maps: Vec<Heatmap>,
}

impl View {
    pub fn new(subnetworks: &Subnetworks) -> Result<View> {
        let report = &subnetworks.report();
        let rows = report.concepts.iter().zip(&report.overlap);
        let maps_of = |layer: &LayerSubnetworks| {
            let map = |concept: &String| Heatmap::new(subnetworks, concept, layer);
            let maps = report.concepts.iter().map(map).collect::<Result<_>>()?;
            Ok(MapsView { name: layer.name.clone(), maps })
        };
        Ok(View {
            concepts: report.concepts.clone(),
            used: percent(report.used),
            density: cells(&report.density),
            exclusive: cells(&report.exclusive),
            overlap: rows
                .map(|(name, shares)| Row { name: name.clone(), cells: plain_cells(shares) })
                .collect(),
            layers: report.layers.iter().map(layer_view).collect(),
            heads: report.layers.iter().filter_map(|layer| heads_view(report, layer)).collect(),
            maps: report.layers.iter().map(maps_of).collect::<Result<_>>()?,
        })
    }
}

fn layer_view(layer: &LayerSubnetworks) -> LayerView {
    LayerView {
        name: layer.name.clone(),
        size: format!("{} × {}", layer.rows, layer.columns),
        used: cell(layer.used),
        density: cells(&layer.density),
        exclusive: cells(&layer.exclusive),
        overlap: plain_cell(mean_overlap(&layer.overlap)),
        own_neurons: layer.neurons.exclusive.iter().map(Vec::len).collect(),
        unused_neurons: layer.neurons.unused.len(),
    }
}

fn heads_view(report: &SubnetworkReport, layer: &LayerSubnetworks) -> Option<HeadsView> {
    let density = layer.head_density.as_ref()?;
    let row =
        |(name, shares): (&String, &Vec<f64>)| Row { name: name.clone(), cells: cells(shares) };
    Some(HeadsView {
        name: layer.name.clone(),
        rows: report.concepts.iter().zip(density).map(row).collect(),
    })
}

/// Over all pairs of different concepts; 1 where there is one concept.
fn mean_overlap(overlap: &[Vec<f64>]) -> f64 {
    let k = overlap.len();
    if k < 2 {
        return 1.0;
    }
    let total: f64 = overlap.iter().flatten().sum::<f64>();
    let diagonal: f64 = (0..k).map(|i| overlap[i][i]).sum();
    (total - diagonal) / (k * (k - 1)) as f64
}

fn cells(shares: &[f64]) -> Vec<Cell> {
    shares.iter().map(|&share| cell(share)).collect()
}

fn cell(share: f64) -> Cell {
    Cell { text: percent(share), shade: shading::share(share) }
}

fn plain_cells(shares: &[f64]) -> Vec<Cell> {
    shares.iter().map(|&share| plain_cell(share)).collect()
}

fn plain_cell(share: f64) -> Cell {
    Cell { text: format!("{share:.2}"), shade: shading::share(share) }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
