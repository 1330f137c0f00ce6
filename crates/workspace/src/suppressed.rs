//! Users of whom no event is kept: of whole workspaces, and of single sources.

use crate::{SourceNumber, WorkspaceNumber};
use rpds::{HashTrieMapSync, HashTrieSetSync};
use std::fmt;

/// What stands for a user's id: a hash with a key of the cell's. The id itself is personal data and is not in a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserHash(pub [u8; 32]);

impl fmt::Debug for UserHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserHash(…)")
    }
}

/// Where a user is suppressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuppressedIn {
    /// All sources, those that come later too.
    Workspace(WorkspaceNumber),
    Source(SourceNumber),
}

/// A user who is suppressed from now on, or no longer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppression {
    pub within: SuppressedIn,
    pub user: UserHash,
    pub is_on: bool,
}

/// All suppressed users of a cell. Versions share what they have in common: a change costs what it holds.
#[derive(Clone, Debug, Default)]
pub struct Suppressed(HashTrieMapSync<SuppressedIn, HashTrieSetSync<UserHash>>);

impl Suppressed {
    /// The next version.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Suppression>) {
        for Suppression { within, user, is_on } in changes {
            let users = self.0.get_mut(&within);
            match (users, is_on) {
                (Some(users), true) => users.insert_mut(user),
                (None, true) => {
                    let mut users = HashTrieSetSync::new_sync();
                    users.insert_mut(user);
                    self.0.insert_mut(within, users);
                }
                (Some(users), false) => {
                    users.remove_mut(&user);
                    if users.is_empty() {
                        self.0.remove_mut(&within);
                    }
                }
                (None, false) => {}
            }
        }
    }

    /// Whether there is anyone to look for: when not, no event's user need be hashed.
    pub fn has_any(&self, workspace: WorkspaceNumber, source: SourceNumber) -> bool {
        self.lists(workspace, source).next().is_some()
    }

    /// Whether the user is suppressed in the workspace, which goes before all sources, or in the source.
    pub fn has(&self, workspace: WorkspaceNumber, source: SourceNumber, user: UserHash) -> bool {
        self.lists(workspace, source).any(|users| users.contains(&user))
    }

    fn lists(
        &self,
        workspace: WorkspaceNumber,
        source: SourceNumber,
    ) -> impl Iterator<Item = &HashTrieSetSync<UserHash>> {
        [SuppressedIn::Workspace(workspace), SuppressedIn::Source(source)]
            .into_iter()
            .filter_map(|within| self.0.get(&within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: WorkspaceNumber = WorkspaceNumber(1);
    const WEB: SourceNumber = SourceNumber(1);
    const SERVER: SourceNumber = SourceNumber(2);

    fn user(n: u8) -> UserHash {
        UserHash([n; 32])
    }

    #[test]
    fn a_user_is_suppressed_where_the_workspace_or_the_source_says_so_until_both_have_let_go() {
        let mut list = Suppressed::default();
        assert!(!list.has_any(ACME, WEB));
        let change = |within, n, is_on| Suppression { within, user: user(n), is_on };
        let (of_workspace, of_web) = (SuppressedIn::Workspace(ACME), SuppressedIn::Source(WEB));
        list.apply([change(of_workspace, 1, true), change(of_web, 1, true), change(of_web, 2, true)]);
        let before = list.clone();
        let has = |list: &Suppressed, source, n| list.has(ACME, source, user(n));
        assert!(has(&list, WEB, 1) && has(&list, SERVER, 1) && has(&list, WEB, 2) && !has(&list, SERVER, 2));
        list.apply([change(of_workspace, 1, false), change(of_workspace, 9, false)]);
        assert!(has(&list, WEB, 1) && !has(&list, SERVER, 1) && !list.has_any(ACME, SERVER));
        list.apply([change(of_web, 1, false), change(of_web, 2, false)]);
        assert!(!list.has_any(ACME, WEB));
        assert!(has(&before, SERVER, 1), "a version that somebody holds does not change");
    }

    #[test]
    fn no_debug_text_shows_a_hash() {
        assert_eq!(format!("{:?}", user(1)), "UserHash(…)");
    }
}
