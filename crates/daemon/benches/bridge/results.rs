//! The measurements of a group's rounds, and the figures computed from them.

use crate::machine::Noise;
use crate::rows::{Goal, Group, Round, Row};
use crate::trouble::Trouble;

pub(crate) struct Results {
    pub(crate) group: &'static Group,
    /// For each subject, in their order.
    pub(crate) subjects: Vec<Series>,
    pub(crate) seconds: f64,
    pub(crate) noise: Noise,
}

/// What one subject came to.
pub(crate) struct Series {
    /// For each row the value of each round; nothing for rounds that it took no part in.
    values: Vec<Vec<Option<f64>>>,
    /// The last round's.
    pub(crate) remarks: Vec<String>,
    pub(crate) end: End,
}

/// How the measurement of a subject ended.
pub(crate) enum End {
    Measured,
    /// It cannot do what the rows are about.
    Unable,
    InTrouble(Trouble),
    /// It used up its time after this number of rounds.
    Slow(usize),
}

/// Values of several rounds.
pub(crate) struct Figures {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Series {
    pub(crate) fn new(group: &Group) -> Self {
        Self { values: vec![Vec::new(); group.rows.len()], remarks: Vec::new(), end: End::Measured }
    }

    pub(crate) fn add(&mut self, round: Round) {
        self.remarks = round.remarks;
        for (values, value) in self.values.iter_mut().zip(round.values) {
            values.push(Some(value));
        }
    }

    pub(crate) fn skip(&mut self) {
        self.values.iter_mut().for_each(|values| values.push(None));
    }

    /// In how many rounds it took part.
    pub(crate) fn rounds(&self) -> usize {
        self.values.first().map_or(0, |values| values.iter().flatten().count())
    }

    pub(crate) fn values(&self, row: usize) -> &[Option<f64>] {
        &self.values[row]
    }

    pub(crate) fn figures(&self, row: usize) -> Option<Figures> {
        Figures::of(self.values[row].iter().flatten().copied())
    }

    /// The ratios to the reference, round by round: neighbours in time share the noise of the machine.
    pub(crate) fn ratios(&self, reference: &Series, row: usize) -> Option<Figures> {
        let pairs = self.values[row].iter().zip(&reference.values[row]);
        Figures::of(pairs.filter_map(|(own, other)| Some((*own)? / (*other)?)).filter(|ratio| ratio.is_finite()))
    }

    /// The ratio of the best rounds.
    pub(crate) fn best_ratio(&self, reference: &Series, row: usize, kind: &Row) -> Option<f64> {
        let best = |series: &Series| {
            let figures = series.figures(row)?;
            Some(match kind.goal {
                Goal::RatioAtLeast(_) | Goal::AtLeast(_) => figures.most,
                Goal::RatioAtMost(_) | Goal::AtMost(_) | Goal::None => figures.least,
            })
        };
        Some(best(self)? / best(reference)?).filter(|ratio| ratio.is_finite())
    }

    /// Whether it reaches the goal; nothing where there is none, or no value.
    pub(crate) fn meets(&self, reference: &Series, row: usize, kind: &Row) -> Option<bool> {
        let ratio = || self.ratios(reference, row).map(|figures| figures.median);
        let value = || self.figures(row).map(|figures| figures.median);
        Some(match kind.goal {
            Goal::RatioAtMost(limit) => ratio()? <= limit,
            Goal::RatioAtLeast(limit) => ratio()? >= limit,
            Goal::AtMost(limit) => value()? <= limit,
            Goal::AtLeast(limit) => value()? >= limit,
            Goal::None => return None,
        })
    }
}

impl Figures {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Self { least, median, most })
    }
}
