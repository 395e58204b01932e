//! Every kernel beside plain loops in 64-bit floats, under every instruction set that this processor has.

use std::fmt::Debug;

use proptest::prelude::*;

use super::cost::{PackCount, PackLayout};
use super::half::{finite_half, half_bits};
use super::kept::Looks;
use super::kernel::{
    Activation, AddNorm, Angles, Attention, Buffer, Gate, InstructionSet, Reach, TokenPanels, Turn,
};
use super::lower::Linear;
use super::masked::{Masked, Weights};
use super::pack::{Channels, Part, assemble, counted};
use crate::masks::Mask;

/// A matrix under a mask, in every form that a file may have.
#[derive(Debug, Clone, Copy)]
enum Form {
    Single,
    Half,
    Int8,
    /// Zeros are the mask.
    Folded,
}

#[derive(Debug, Clone)]
struct Case {
    rows: usize,
    columns: usize,
    block_rows: usize,
    tokens: usize,
    form: Form,
    density: f64,
    /// Every n-th row of blocks is empty; 0: none.
    empty: usize,
    activation: Activation,
    /// Leave out this row and this column, if there are others.
    absent: (usize, usize),
    seed: u64,
}

prop_compose! {
    fn cases()(
        blocks in prop_oneof![1 => Just(1_usize), 4 => 1..12_usize],
        columns in 1..70_usize,
        block_rows in prop::sample::select(vec![1_usize, 2, 4]),
        tokens in prop_oneof![1..20_usize, 20..150_usize],
        form in prop::sample::select(vec![Form::Single, Form::Half, Form::Int8, Form::Folded]),
        density in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64],
        empty in 0..4_usize,
        activation in prop::sample::select(vec![
            Activation::Identity, Activation::Gelu, Activation::GeluTanh, Activation::Relu,
        ]),
        absent in (0..12_usize, 0..70_usize),
        seed in any::<u64>(),
    ) -> Case {
        let rows = blocks * block_rows;
        Case { rows, columns, block_rows, tokens, form, density, empty, activation, absent, seed }
    }
}

/// Numbers from −1 to 1 that look random: the splitmix64 generator (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

impl Case {
    /// The masked weight as a file would hold it, and unpacked.
    fn weight(&self, random: &mut Random) -> (Masked, Vec<f32>) {
        let Case { rows, columns, block_rows, empty, .. } = *self;
        let kept: Vec<bool> = (0..rows / block_rows * columns)
            .map(|at| {
                let by_chance = f64::from(random.next()) < 2.0 * self.density - 1.0;
                let emptied = empty > 0 && (at / columns).is_multiple_of(empty);
                (by_chance || self.density == 1.0) && !emptied
            })
            .collect();
        let is_kept = |at: usize| kept[at / columns / block_rows * columns + at % columns];
        let mut bits = vec![0_u8; rows / block_rows * columns.div_ceil(8)];
        for (at, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            bits[at / columns * columns.div_ceil(8) + at % columns / 8] |= 1 << (at % columns % 8);
        }
        let scales: Vec<f32> = random.many(rows).into_iter().map(|scale| scale / 127.0).collect();
        let numbers: Vec<f32> = (0..rows * columns)
            .map(|at| match self.form {
                // Fewer digits than a 16-bit float has.
                Form::Half => (random.next() * 256.0).round() / 256.0,
                Form::Int8 => (random.next() * 127.0).round(),
                Form::Folded if !is_kept(at) => 0.0,
                Form::Single | Form::Folded => random.next(),
            })
            .collect();
        let weights = match self.form {
            Form::Single | Form::Folded => {
                Weights::Single(numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
            Form::Half => {
                Weights::Half(numbers.iter().flat_map(|&x| half_bits(x).to_le_bytes()).collect())
            }
            Form::Int8 => Weights::Int8 {
                values: numbers.iter().map(|&x| (x as i8).cast_unsigned()).collect(),
                scales: scales.clone(),
            },
        };
        let mask = match self.form {
            Form::Folded => None,
            _ => Mask::new("layer", rows, columns, block_rows, bits),
        };
        let scale =
            |at: usize| if matches!(self.form, Form::Int8) { scales[at / columns] } else { 1.0 };
        let dense = (0..rows * columns)
            .map(|at| if is_kept(at) { numbers[at] * scale(at) } else { 0.0 })
            .collect();
        (Masked { rows, columns, weights, mask }, dense)
    }
}

/// Where a token's channel lies among panels of `channels`.
fn at(tokens: TokenPanels, channels: usize, channel: usize, token: usize) -> usize {
    let (first, step) = tokens.place(token, channels);
    first + channel * step
}

fn exact(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Gelu => exact_gelu(x),
        Activation::GeluTanh => exact_gelu_tanh(x),
    }
}

/// x · Φ(x) in 64-bit floats, Φ by its series (Abramowitz, Stegun 26.2.10 and, far out, 0 or 1).
fn exact_gelu(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.max(0.0);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / (2.0 * f64::from(n));
        sum += term / f64::from(2 * n + 1);
    }
    x * (0.5 + sum / (2.0 * std::f64::consts::PI).sqrt())
}

fn exact_gelu_tanh(x: f64) -> f64 {
    let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
    0.5 * x * (1.0 + u.tanh())
}

fn close(found: f32, expected: f64, tolerance: f64, place: &dyn Debug) {
    let difference = (f64::from(found) - expected).abs();
    assert!(difference <= tolerance, "{place:?}: {found} is not {expected}");
}

proptest! {
    #[test]
    fn products_are_those_of_the_dense_matrix(case in cases()) {
        let random = &mut Random(case.seed);
        let (weight, dense) = case.weight(random);
        prop_assert!(weight.has_its_size() && weight.is_finite());
        let bias = random.many(case.rows);
        let present = |size: usize, absent: usize| -> Vec<usize> {
            (0..size).filter(|&i| i != absent || size == 1).collect()
        };
        let rows = present(case.rows, case.absent.0);
        let columns = present(case.columns, case.absent.1);
        let channels = Channels::of(case.columns, columns.iter().copied());
        // With and without a look at the weights it is the same.
        let linear = Linear { name: "product".into(), weight, bias: bias.clone() };
        let looked = match case.seed % 2 {
            0 => Looks::default(),
            _ => Looks::at([&linear], 2).expect("finite weights"),
        };
        let kept = looked.kept(&linear.weight);
        let part = [Part { kept, rows: &rows, bias: &bias }];
        let count = counted(&part, &channels);
        let counts = |row: usize, column: usize| dense[row * case.columns + column] != 0.0;
        let expected = rows.iter().map(|&row| columns.iter().filter(|&&c| counts(row, c)).count());
        prop_assert_eq!(count.weights, expected.sum::<usize>());
        for set in InstructionSet::available() {
            let tokens = TokenPanels::new(case.tokens, set);
            let input = random.many(columns.len() * tokens.count());
            for layout in PackLayout::ALL {
                let product = assemble(&part, &channels, count, layout);
                let mut output = vec![f32::NAN; rows.len() * tokens.count()];
                product.run(set, case.activation, tokens, &input, &mut output, &mut Buffer::default());
                for (row, &from) in rows.iter().enumerate() {
                    for token in 0..case.tokens {
                        let sum: f64 = columns.iter().enumerate().map(|(channel, &column)| {
                            f64::from(dense[from * case.columns + column])
                                * f64::from(input[at(tokens, columns.len(), channel, token)])
                        }).sum::<f64>() + f64::from(bias[from]);
                        let expected = exact(case.activation, sum);
                        let place = (set, layout, row, token);
                        close(output[at(tokens, rows.len(), row, token)], expected, 2e-5, &place);
                    }
                }
            }
        }
    }

    #[test]
    fn attention_is_that_of_plain_loops(
        sizes in prop::collection::vec((0..9_usize, 0..9_usize), 1..4),
        // Blocks of keys end at multiples of 128, 256 or 512.
        count in prop_oneof![1..20_usize, 20..100_usize, 120..140_usize, 250..270_usize, 510..520_usize],
        hidden in prop_oneof![0..20_usize, 60..70_usize],
        reach in prop_oneof![
            Just(Reach::All), Just(Reach::Causal), (0..10_usize).prop_map(Reach::Near),
            (10..150_usize).prop_map(Reach::Near),
        ],
        // Scores that grow from key to key make each block correct what was summed before.
        slope in prop_oneof![Just(0.0_f32), -0.03..0.03_f32],
        seed in any::<u64>(),
    ) {
        let random = &mut Random(seed);
        let attended = count.saturating_sub(hidden).max(1);
        // Larger scores are rounded more.
        let tolerance = 1e-5 + 1e-3 * f64::from(slope.abs());
        let bounds = |size: fn(&(usize, usize)) -> usize| -> Vec<usize> {
            std::iter::once(0).chain(sizes.iter().scan(0, |end, pair| {
                *end += size(pair);
                Some(*end)
            })).collect()
        };
        let (heads, value_heads) = (bounds(|pair| pair.0), bounds(|pair| pair.1));
        let (channels, values) = (heads[sizes.len()], value_heads[sizes.len()]);
        for set in InstructionSet::available() {
            let tokens = TokenPanels::new(count, set);
            let all = 2 * channels + values;
            let mut read = random.many(all * tokens.count());
            for (channel, token) in (0..channels).flat_map(|c| (0..count).map(move |t| (c, t))) {
                read[at(tokens, all, channels + channel, token)] += slope * token as f32;
            }
            let mut output = vec![f32::NAN; values * tokens.count()];
            let scale = 0.7;
            let panels: Vec<&[f32]> = (0..tokens.panel_count())
                .map(|number| &read[all * tokens.start_of(number)..all * tokens.start_of(number + 1)])
                .collect();
            // Some of the queries, and then the others.
            let (first, others) = output.split_at_mut(values * tokens.start_of(tokens.panel_count() / 2));
            let half = tokens.panel_count() / 2;
            for (queries, output) in [(0..half, first), (half..tokens.panel_count(), others)] {
                Attention {
                    read: &panels, heads: &heads, value_heads: &value_heads,
                    tokens, queries, length: count, attended, reach, scale, output, scratch: &mut Buffer::default(),
                }.run(set);
            }
            let query = |channel, token| f64::from(read[at(tokens, all, channel, token)]);
            let key = |channel, token| query(channels + channel, token);
            let value = |channel, token| query(2 * channels + channel, token);
            for head in 0..sizes.len() {
                for from in 0..count {
                    let sees = |to: &usize| *to < attended && match reach {
                        Reach::All => true,
                        Reach::Causal => *to <= from,
                        Reach::Near(far) => to.abs_diff(from) <= far,
                    };
                    let mut seen: Vec<usize> = (0..count).filter(sees).collect();
                    let blind = seen.is_empty();
                    if blind {
                        seen = (0..count).collect();
                    }
                    let scores: Vec<f64> = seen.iter().map(|&to| {
                        let own = heads[head]..heads[head + 1];
                        let score: f64 = own.map(|c| query(c, from) * key(c, to)).sum();
                        if blind { 0.0 } else { score * f64::from(scale) }
                    }).collect();
                    let largest = scores.iter().copied().fold(f64::MIN, f64::max);
                    let shares: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
                    let total: f64 = shares.iter().sum();
                    for channel in value_heads[head]..value_heads[head + 1] {
                        let mixed = shares.iter().zip(&seen).map(|(share, &to)| share * value(channel, to));
                        let expected = mixed.sum::<f64>() / total;
                        let place = (set, head, channel, from);
                        close(output[at(tokens, values, channel, from)], expected, tolerance, &place);
                    }
                }
            }
        }
    }

    #[test]
    fn pairs_are_turned_as_plain_loops_turn_them(
        sizes in prop::collection::vec(0..5_usize, 1..4),
        values in 0..4_usize,
        count in 1..70_usize,
        seed in any::<u64>(),
    ) {
        let random = &mut Random(seed);
        let all = 7;
        let [cos, sin] = [random.many(all * count), random.many(all * count)];
        let angles = Angles::new(all, count, &cos, &sin);
        let mut heads = vec![0];
        heads.extend(sizes.iter().scan(0, |end, pairs| { *end += 2 * pairs; Some(*end) }));
        let channels = heads[sizes.len()];
        // Each head has every other pair, or so.
        let pairs: Vec<usize> =
            sizes.iter().flat_map(|&count| (0..count).map(move |pair| pair * all / count)).collect();
        let rows = 2 * channels + values;
        for set in InstructionSet::available() {
            let tokens = TokenPanels::new(count, set);
            let before = random.many(rows * tokens.count());
            let mut x = before.clone();
            Turn { x: &mut x, rows, heads: &heads, pairs: &pairs, angles: &angles, tokens, first: 0 }.run(set);
            let of = |x: &[f32], row, token| f64::from(x[at(tokens, rows, row, token)]);
            for token in 0..count {
                for (start, head) in [0, channels].into_iter().flat_map(|s| heads.windows(2).map(move |h| (s, h))) {
                    let half = (head[1] - head[0]) / 2;
                    for index in 0..half {
                        let angle = token * all + pairs[head[0] / 2 + index];
                        let (cos, sin) = (f64::from(cos[angle]), f64::from(sin[angle]));
                        let (a, b) = (start + head[0] + index, start + head[0] + half + index);
                        let (from_a, from_b) = (of(&before, a, token), of(&before, b, token));
                        close(of(&x, a, token) as f32, from_a * cos - from_b * sin, 1e-6, &(set, a, token));
                        close(of(&x, b, token) as f32, from_b * cos + from_a * sin, 1e-6, &(set, b, token));
                    }
                }
                for row in 2 * channels..rows {
                    assert_eq!(of(&x, row, token), of(&before, row, token));
                }
            }
        }
    }

    #[test]
    fn gates_are_those_of_plain_loops(
        rows in 0..9_usize,
        count in 1..70_usize,
        activation in prop::sample::select(vec![
            Activation::Identity, Activation::Gelu, Activation::GeluTanh, Activation::Relu,
        ]),
        seed in any::<u64>(),
    ) {
        let random = &mut Random(seed);
        for set in InstructionSet::available() {
            let tokens = TokenPanels::new(count, set);
            let read: Vec<f32> =
                random.many(2 * rows * tokens.count()).iter().map(|x| 4.0 * x).collect();
            let mut output = vec![f32::NAN; rows * tokens.count()];
            Gate { activation, rows, read: &read, output: &mut output, tokens }.run(set);
            for (row, token) in (0..rows).flat_map(|row| (0..count).map(move |token| (row, token))) {
                let of = |row| f64::from(read[at(tokens, 2 * rows, row, token)]);
                let expected = exact(activation, of(row)) * of(rows + row);
                close(output[at(tokens, rows, row, token)], expected, 2e-5, &(set, row, token));
            }
        }
    }

    #[test]
    fn norms_are_those_of_plain_loops(
        channels in 1..50_usize,
        count in 1..70_usize,
        with_residual in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let random = &mut Random(seed);
        for set in InstructionSet::available() {
            let tokens = TokenPanels::new(count, set);
            let before = random.many(channels * tokens.count());
            let residual = random.many(channels * tokens.count());
            let (weight, bias) = (random.many(channels), random.many(channels));
            let (mut x, epsilon) = (before.clone(), 1e-3);
            let added = with_residual.then_some(residual.as_slice());
            AddNorm { x: &mut x, residual: added, weight: &weight, bias: &bias, epsilon, tokens }.run(set);
            for token in 0..count {
                let sum: Vec<f64> = (0..channels).map(|channel| {
                    let at = at(tokens, channels, channel, token);
                    f64::from(before[at]) + if with_residual { f64::from(residual[at]) } else { 0.0 }
                }).collect();
                let mean = sum.iter().sum::<f64>() / channels as f64;
                let variance = sum.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels as f64;
                for (channel, value) in sum.iter().enumerate() {
                    let normal = (value - mean) / (variance + f64::from(epsilon)).sqrt();
                    let expected = normal * f64::from(weight[channel]) + f64::from(bias[channel]);
                    close(x[at(tokens, channels, channel, token)], expected, 2e-5, &(set, channel, token));
                }
            }
        }
    }
}

#[test]
fn gelu_is_exact_to_two_millionths() {
    for step in -2000..=2000 {
        let x = step as f32 / 200.0;
        close(Activation::Gelu.of(x), exact_gelu(f64::from(x)), 2e-6, &x);
        close(Activation::GeluTanh.of(x), exact_gelu_tanh(f64::from(x)), 2e-6, &x);
    }
}

#[test]
fn every_finite_half_goes_there_and_back() {
    for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
        assert_eq!(half_bits(finite_half(bits)), bits);
    }
    // 1, the largest, the smallest.
    assert_eq!(finite_half(0x3c00), 1.0);
    assert_eq!(finite_half(0x7bff), 65504.0);
    assert_eq!(finite_half(0x8001), -(0.5_f32.powi(24)));
}

#[test]
fn the_layout_follows_the_mask() {
    let (rows, channels) = (384, 384);
    let count = |weights, blocks| PackCount { rows, channels, weights, blocks };
    let groups = rows / 4 * channels;
    for set in InstructionSet::available() {
        // Nothing masked; a tenth in blocks of four; a fiftieth, each weight apart from the others.
        assert_eq!(count(4 * groups, groups).cheapest(set), PackLayout::Dense, "{set:?}");
        assert_eq!(
            count(4 * groups / 10, groups / 10).cheapest(set),
            PackLayout::Blocks,
            "{set:?}"
        );
        let apart = 4 * groups / 50;
        let chosen = count(apart, apart).cheapest(set);
        assert_eq!(chosen, PackLayout::Rows, "{set:?}");
    }
}
