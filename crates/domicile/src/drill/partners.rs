//! A partner that sends every delivery elsewhere.

use super::Stage;
use super::report::Exercise;
use crate::exit::Failure;

pub fn redirects(stage: &mut Stage<'_>) -> Result<Exercise, Failure> {
    let mut exercise = Exercise::new("Redirects", "a partner that answers with 301, 302, 307 and 308 to a trap");
    let _ = stage;
    exercise.not_tried = Some("x".to_owned());
    Ok(exercise)
}
