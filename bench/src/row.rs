//! A row of the table: a figure, its goal, and whether it holds.

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    /// The figure, with its unit when it is no ratio.
    pub value: String,
    pub goal: String,
    pub holds: bool,
    /// What it was made of.
    pub detail: String,
}

/// Which way a goal points.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Row {
    pub fn new(name: &str, value: f64, unit: &str, goal: Goal, detail: String) -> Self {
        let (holds, goal) = match goal {
            Goal::AtLeast(least) => (value >= least, format!("≥ {least}{unit}")),
            Goal::AtMost(most) => (value <= most, format!("≤ {most}{unit}")),
        };
        let digits = if value.abs() < 10.0 { 2 } else { 0 };
        Self { name: name.to_owned(), value: format!("{value:.digits$}{unit}"), goal, holds, detail }
    }
}

/// The middle of the values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
