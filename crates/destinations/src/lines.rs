//! The open lines to one host, kept for the next events.

use crate::event::Event;
use crate::partner::Trip;
use domicile_border::{Answer, Ask, Border, Form, Limits, Line, Payload, SendError};
use domicile_world::World;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines for one ask: as many as there are requests at a time.
pub(crate) struct Lines {
    world: World,
    border: Border,
    ask: Ask,
    limits: Limits,
    idle: Mutex<Vec<Line>>,
}

impl Lines {
    pub fn new(world: &World, border: &Border, ask: Ask, limits: Limits) -> Self {
        Self { world: world.clone(), border: border.clone(), ask, limits, idle: Mutex::default() }
    }

    /// Sends these events in one request, on an open line or on a new one.
    pub async fn deliver(&self, events: &[Event], form: &impl Form) -> (Result<Answer, SendError>, Trip) {
        let began = self.world.clock.monotonic();
        let idle = self.idle().pop();
        let opened = match idle {
            Some(line) => Ok(line),
            None => self.open().await,
        };
        let (line, result) = match opened {
            Ok(mut line) => {
                let payloads: Vec<Payload> = events.iter().map(Event::payload).collect();
                let result = line.deliver(&payloads, form, &self.limits).await;
                (Some(line), result)
            }
            Err(error) => (None, Err(error)),
        };
        let took = self.world.clock.monotonic().saturating_sub(began);
        let trip = Trip::of(line.as_ref(), (0..events.len()).collect(), &result, took);
        self.idle().extend(line);
        (result, trip)
    }

    async fn open(&self) -> Result<Line, SendError> {
        let permit = self.border.permit(self.ask.clone()).await;
        self.border.open(permit.map_err(|refusal| SendError::Refused(Box::new(refusal)))?, &self.limits).await
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
