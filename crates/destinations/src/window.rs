//! The events that are in memory: one queue per user, of which only the first event is on its way.
//!
//! ```text
//! users     ann: [4, 9, 12]   bob: [5]   eve: [7, 8]        of a taken event the place is kept
//! ready     bob                                             may be tried now
//! waiting   eve at 12.5 s                                   tried again then
//! taken     ann (4)                                         on its way
//! ```
//!
//! - A user with events is in exactly one of ready, waiting and taken.
//! - Bounded by events and bytes; what comes later stays in the log.

use crate::event::{Event, User};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Window {
    /// What stands behind each user's first event, which is in `ready`, `waiting` or taken.
    behind: HashMap<User, VecDeque<Event>>,
    ready: VecDeque<(User, Event)>,
    waiting: HashMap<User, Event>,
    due: BTreeSet<(Duration, User)>,
    events: usize,
    bytes: usize,
}

impl Window {
    pub fn events(&self) -> usize {
        self.events
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next event of the log.
    pub fn push(&mut self, user: User, event: Event) {
        self.events += 1;
        self.bytes += event.body.len();
        match self.behind.get_mut(&user) {
            Some(behind) => behind.push_back(event),
            None => {
                self.behind.insert(user, VecDeque::new());
                self.ready.push_back((user, event));
            }
        }
    }

    /// An event to try now: its user has no other one on its way.
    pub fn take(&mut self) -> Option<(User, Event)> {
        self.ready.pop_front()
    }

    /// A taken event is settled: its user's next one may be tried.
    pub fn settle(&mut self, user: User, event: &Event) {
        self.events -= 1;
        self.bytes -= event.body.len();
        match self.behind.get_mut(&user).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back((user, next)),
            None => drop(self.behind.remove(&user)),
        }
    }

    /// A taken event is tried again at `due`.
    pub fn wait(&mut self, user: User, event: Event, due: Duration) {
        self.due.insert((due, user));
        self.waiting.insert(user, event);
    }

    /// A taken event was not tried: it is the first to be taken again.
    pub fn put_back(&mut self, user: User, event: Event) {
        self.ready.push_front((user, event));
    }

    /// Makes ready what is due at `now`.
    pub fn wake(&mut self, now: Duration) {
        while let Some(&(due, user)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, user));
            if let Some(event) = self.waiting.remove(&user) {
                self.ready.push_back((user, event));
            }
        }
    }

    /// When the next waiting event is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_log::Position;
    use domicile_world::Millis;

    fn window(events: &[(u64, &str)]) -> Window {
        let mut window = Window::default();
        for (position, user) in events {
            let raw = format!(r#"{{"userId":"{user}"}}"#);
            let (user, event) = Event::new(Position(*position), Millis(0), raw.as_bytes(), raw.as_bytes().into());
            window.push(user, event);
        }
        window
    }

    fn taken(window: &mut Window) -> (User, Event) {
        window.take().expect("an event is ready")
    }

    #[test]
    fn a_user_has_one_event_on_its_way_and_the_next_follows_in_order() {
        let mut window = window(&[(1, "ann"), (2, "bob"), (3, "ann"), (4, "ann")]);
        let (ann, first) = taken(&mut window);
        let (bob, second) = taken(&mut window);
        assert_eq!((first.position.0, second.position.0), (1, 2));
        assert!(window.take().is_none(), "ann's next waits for her first");
        window.settle(bob, &second);
        assert!(window.take().is_none());
        window.settle(ann, &first);
        let (ann, third) = taken(&mut window);
        assert_eq!(third.position.0, 3);
        window.settle(ann, &third);
        let (ann, fourth) = taken(&mut window);
        window.settle(ann, &fourth);
        assert_eq!((fourth.position.0, window.events(), window.bytes()), (4, 0, 0));
    }

    #[test]
    fn what_waits_holds_up_its_own_user_only_and_comes_back_when_due() {
        let mut window = window(&[(1, "ann"), (2, "ann"), (3, "bob")]);
        let (ann, first) = taken(&mut window);
        window.wait(ann, first, Duration::from_secs(5));
        assert_eq!(taken(&mut window).1.position.0, 3);
        window.wake(Duration::from_secs(4));
        assert!(window.take().is_none());
        assert_eq!(window.next_due(), Some(Duration::from_secs(5)));
        window.wake(Duration::from_secs(5));
        assert_eq!((taken(&mut window).1.position.0, window.next_due()), (1, None));
    }

    #[test]
    fn what_was_not_tried_is_taken_first() {
        let mut window = window(&[(1, "ann"), (2, "bob")]);
        let (ann, first) = taken(&mut window);
        window.put_back(ann, first);
        assert_eq!(taken(&mut window).1.position.0, 1);
        assert_eq!(window.events(), 2);
    }
}
