//! People, groups, invitations, tokens and sessions: who may do what, and who may give it.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{
    Actor, AuditFilter, Change, ControlError, Grant, Grants, Held, LabelValue, MadeToken, NewAccount, NewToken,
    NewUser, Page, Resource, Role, Subject, UserRecord,
};
use domicile_workspace::WorkspaceId;

pub const PASSWORD: &str = "correct horse battery";
pub const ALL: Page = Page { after: None, before: None, count: 1_000 };

pub fn owner() -> Grants {
    Grants::owner()
}

pub fn whole(role: Role) -> Grants {
    Grants(vec![Grant::whole(role)])
}

fn one(role: Role, id: &str) -> Grants {
    Grants(vec![Grant { role, held: vec![Held::One { id: id.to_owned() }] }])
}

impl Bed {
    pub fn change<T>(&self, make: impl FnOnce(&mut Change<'_>) -> Result<T, ControlError>) -> Result<T, ControlError> {
        self.store.change(&BY, make)
    }

    pub fn id(&self) -> &WorkspaceId {
        &self.workspace.id
    }

    pub fn account(&self) -> String {
        self.store.view(|view| Ok::<_, ControlError>(view.workspace(self.id())?.account)).expect("reads")
    }

    /// A member with these permissions.
    pub fn person(&self, email: &str, grants: &Grants) -> UserRecord {
        let hash = self.store.hash_password(PASSWORD, email, "Somebody").expect("a password");
        let new =
            NewUser { email: email.to_owned(), name: "Somebody".to_owned(), password: Some(hash), must_change: false };
        self.change(|change| {
            let user = change.create_user(&change.workspace(self.id())?.account.clone(), &new)?;
            change.add_member(self.id(), &user.id, grants, &owner())?;
            Ok(user)
        })
        .expect("makes a person")
    }

    pub fn grants(&self, user: &UserRecord) -> Grants {
        self.store.view(|view| view.grants_of_user(self.id(), &user.id)).expect("reads")
    }

    pub fn session(&self, user: &UserRecord) -> String {
        let open = |change: &mut Change<'_>| change.open_session(&change.user(&user.id)?, "password");
        self.change(open).expect("opens a session")
    }

    pub fn is_open(&self, session: &str) -> bool {
        self.store.session(session).expect("reads").is_some()
    }

    pub fn trail(&self) -> String {
        let trail = self.store.view(|view| view.audit(self.id(), &AuditFilter::default(), &ALL)).expect("reads");
        format!("{:?}", trail.rows)
    }
}

pub fn is_refused<T>(found: Result<T, ControlError>) -> bool {
    matches!(found, Err(ControlError::Refused { .. }))
}

pub fn is_conflict<T>(found: Result<T, ControlError>) -> bool {
    matches!(found, Err(ControlError::Conflict { .. }))
}

pub fn is_absent<T>(found: Result<T, ControlError>, what: Resource) -> bool {
    matches!(found, Err(ControlError::NotFound(found)) if found == what)
}

#[test]
fn a_password_opens_its_own_account_however_the_address_is_spelt() {
    each(|bed| {
        let anna = bed.person("anna@example.com", &owner());
        let sign_in = |email: &str, password: &str| {
            bed.store.user_with_password(email, password).expect("looks").map(|user| user.id)
        };
        assert_eq!(sign_in("anna@example.com", PASSWORD), Some(anna.id.clone()));
        assert_eq!(sign_in(" Anna@EXAMPLE.com", PASSWORD), Some(anna.id));
        assert_eq!(sign_in("anna@example.com", "wrong horse battery"), None);
        assert_eq!(sign_in("nobody@example.com", PASSWORD), None);
        assert_eq!(sign_in("anna@example.com' OR 1=1 --", PASSWORD), None);
        let again = NewUser { email: "ANNA@example.com".into(), name: "A".into(), password: None, must_change: false };
        assert!(is_conflict(bed.change(|change| change.create_user(&bed.account(), &again))));
    });
}

#[test]
fn the_last_owner_stays_whatever_is_tried() {
    each(|bed| {
        let anna = bed.person("anna@example.com", &owner());
        let bob = bed.person("bob@example.com", &whole(Role::SourceAdmin));
        let lower = |user: &UserRecord| {
            let grants = whole(Role::SourceAdmin);
            bed.change(|change| change.replace_permissions(bed.id(), Subject::User(&user.id), &grants, &owner()))
        };
        // A token is no person.
        bed.store.create_token(&BY, bed.id(), "ci").expect("an owner's token");
        assert!(is_conflict(lower(&anna)));
        assert!(is_conflict(bed.change(|change| change.remove_member(bed.id(), &anna.id))));
        assert!(bed.grants(&anna).is_owner(), "nothing was done");
        // An owner by a group counts, as long as the group has somebody and the role.
        let group = bed.change(|change| change.create_group(bed.id(), "Admins")).expect("a group");
        let admins = Subject::Group(&group.id);
        bed.change(|change| change.replace_permissions(bed.id(), admins, &owner(), &owner())).expect("given");
        assert!(is_conflict(lower(&anna)), "the group is empty");
        let emails = ["bob@example.com".to_owned()];
        bed.change(|change| change.add_to_group(bed.id(), &group.id, &emails, &owner())).expect("added");
        assert!(bed.grants(&bob).is_owner());
        lower(&anna).expect("bob owns it by the group");
        assert!(is_conflict(bed.change(|change| change.remove_from_group(bed.id(), &group.id, &emails))));
        assert!(is_conflict(bed.change(|change| change.replace_group(bed.id(), &group.id, &[], &owner()))));
        assert!(is_conflict(bed.change(|change| change.delete_group(bed.id(), &group.id, None))));
        assert!(is_conflict(bed.change(|change| change.remove_member(bed.id(), &bob.id))));
        let less = whole(Role::SourceReadOnly);
        assert!(is_conflict(bed.change(|change| change.replace_permissions(bed.id(), admins, &less, &owner()))));
        bed.change(|change| change.replace_group(bed.id(), &group.id, &emails, &owner())).expect("who stays, stays");
    });
}

#[test]
fn permissions_add_up_with_those_of_groups_and_go_with_them() {
    each(|bed| {
        let source = bed.store.create_source(&BY, bed.id(), &new_source("web")).expect("a source");
        bed.person("anna@example.com", &owner());
        let bob = bed.person("bob@example.com", &one(Role::SourceReadOnly, source.id.as_str()));
        let group = bed.change(|change| change.create_group(bed.id(), "Data")).expect("a group");
        let emails = ["bob@example.com".to_owned()];
        bed.change(|change| {
            let more = whole(Role::WarehouseAdmin);
            change.replace_permissions(bed.id(), Subject::Group(&group.id), &more, &owner())?;
            change.add_to_group(bed.id(), &group.id, &emails, &owner())
        })
        .expect("in the group");
        let has = |role: Role| bed.grants(&bob).0.iter().any(|grant| grant.role == role);
        assert!(has(Role::SourceReadOnly) && has(Role::WarehouseAdmin) && has(Role::WorkspaceMember));
        let listed = bed.store.view(|view| view.groups_of_user(bed.id(), &bob.id, &ALL)).expect("reads");
        assert_eq!(listed.rows[0].value.name, "Data");
        bed.change(|change| change.delete_group(bed.id(), &group.id, None)).expect("deleted");
        assert!(has(Role::SourceReadOnly) && !has(Role::WarehouseAdmin));
        // Adding keeps what is there, replacing does not.
        let bob_is = Subject::User(&bob.id);
        bed.change(|change| change.add_permissions(bed.id(), bob_is, &whole(Role::PrivacyAdmin), &owner()))
            .expect("added");
        assert!(has(Role::SourceReadOnly) && has(Role::PrivacyAdmin));
        bed.change(|change| change.replace_permissions(bed.id(), bob_is, &Grants::default(), &owner()))
            .expect("replaced");
        assert_eq!(bed.grants(&bob), whole(Role::WorkspaceMember), "a member without roles");
    });
}

#[test]
fn nobody_gives_or_takes_more_than_they_have() {
    each(|bed| {
        let source = bed.store.create_source(&BY, bed.id(), &new_source("web")).expect("a source");
        let anna = bed.person("anna@example.com", &owner());
        let bob = bed.person("bob@example.com", &Grants::default());
        let has = one(Role::SourceAdmin, source.id.as_str());
        let (bob_is, anna_is) = (Subject::User(&bob.id), Subject::User(&anna.id));
        for wanted in [owner(), whole(Role::SourceAdmin), whole(Role::SourceReadOnly), whole(Role::WarehouseReadOnly)] {
            let token = NewToken { grants: wanted.clone(), ..NewToken::new("t") };
            assert!(is_refused(bed.change(|change| change.create_token(bed.id(), &token, &has))), "{wanted:?}");
            assert!(is_refused(bed.change(|change| change.add_permissions(bed.id(), bob_is, &wanted, &has))));
            assert!(is_refused(bed.change(|change| change.replace_permissions(bed.id(), bob_is, &wanted, &has))));
            assert!(is_refused(bed.change(|change| change.invite(bed.id(), "c@example.com", &wanted, &has))));
            assert!(is_refused(bed.change(|change| change.add_member(bed.id(), &bob.id, &wanted, &has))));
        }
        let less = whole(Role::WorkspaceMember);
        assert!(is_refused(bed.change(|change| change.replace_permissions(bed.id(), anna_is, &less, &has))));
        let group = bed.change(|change| change.create_group(bed.id(), "Admins")).expect("a group");
        bed.change(|change| change.add_permissions(bed.id(), Subject::Group(&group.id), &owner(), &owner()))
            .expect("given");
        let emails = ["bob@example.com".to_owned()];
        assert!(is_refused(bed.change(|change| change.add_to_group(bed.id(), &group.id, &emails, &has))));
        // What they have, they may give.
        let token = NewToken { grants: one(Role::SourceReadOnly, source.id.as_str()), ..NewToken::new("t") };
        bed.change(|change| change.create_token(bed.id(), &token, &has)).expect("less than they have");
        assert!(bed.grants(&anna).is_owner() && !bed.grants(&bob).is_owner());
    });
}

#[test]
fn a_role_is_held_for_what_the_workspace_has_and_for_nothing_of_another() {
    each(|bed| {
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("another workspace");
        let theirs = bed.store.create_source(&BY, &other.id, &new_source("web")).expect("their source");
        let anna = bed.person("anna@example.com", &owner());
        let subject = Subject::User(&anna.id);
        let none = Grants(vec![Grant { role: Role::SourceAdmin, held: vec![] }]);
        let labelled = |words: &[(&str, &str)]| {
            let label = |(key, value): &(&str, &str)| LabelValue { key: (*key).into(), value: (*value).into() };
            let labels = words.iter().map(label).collect();
            Grants(vec![Grant { role: Role::SourceAdmin, held: vec![Held::Labels { labels }] }])
        };
        for bad in [
            one(Role::SourceAdmin, theirs.id.as_str()),
            one(Role::SourceAdmin, "x"),
            one(Role::WarehouseAdmin, theirs.id.as_str()),
            one(Role::WorkspaceOwner, theirs.id.as_str()),
            one(Role::TrackingPlanAdmin, "x"),
            none,
            labelled(&[]),
            labelled(&[("team", "none")]),
            labelled(&[("environment", "prod"), ("environment", "Prod")]),
        ] {
            let found = bed.change(|change| change.add_permissions(bed.id(), subject, &bad, &owner()));
            assert!(matches!(found, Err(ControlError::Invalid { .. })), "{bad:?}: {found:?}");
        }
        let prod = labelled(&[("environment", "prod")]);
        bed.change(|change| change.add_permissions(bed.id(), subject, &prod, &owner())).expect("it has this label");
        // People and groups of this workspace are nobody in the other.
        let in_other = |subject| bed.change(|change| change.add_permissions(&other.id, subject, &owner(), &owner()));
        assert!(is_absent(in_other(subject), Resource::User));
        let group = bed.change(|change| change.create_group(bed.id(), "G")).expect("a group");
        assert!(is_absent(in_other(Subject::Group(&group.id)), Resource::Group));
        assert!(is_absent(bed.change(|change| change.remove_member(&other.id, &anna.id)), Resource::User));
        assert_eq!(bed.store.view(|view| view.members(&other.id, &ALL)).expect("reads").total, 0);
        assert_eq!(bed.store.view(|view| view.members(bed.id(), &ALL)).expect("reads").total, 1);
    });
}

#[test]
fn a_session_ends_with_time_with_the_password_and_with_the_membership() {
    each(|bed| {
        bed.person("anna@example.com", &owner());
        let bob = bed.person("bob@example.com", &whole(Role::SourceAdmin));
        let (first, second) = (bed.session(&bob), bed.session(&bob));
        assert!(first != second && first.len() == 43);
        let scope = bed.store.scope_of_session(&first, bed.id()).expect("reads").expect("a member");
        assert_eq!(scope.actor, Actor::User { id: bob.id.clone(), name: "bob@example.com".to_owned() });
        let again = || bed.store.scope_again(&scope).expect("reads").is_some();
        assert!(again());
        for nobody in ["", "x", &first[..42], &first.to_lowercase(), &"x".repeat(1_000_000)] {
            assert!(!bed.is_open(nobody));
        }
        bed.change(|change| change.end_session(&first)).expect("signed out");
        assert!(!bed.is_open(&first) && bed.is_open(&second));
        assert!(!again(), "what goes on in a session ends with it");
        let hash = bed.store.hash_password("another horse battery", "bob@example.com", "Bob").expect("good");
        bed.change(|change| change.set_password(&bob.id, &hash, false)).expect("changed");
        assert!(!bed.is_open(&second), "a new password ends all sessions");
        let third = bed.session(&bob);
        bed.change(|change| change.remove_member(bed.id(), &bob.id)).expect("removed");
        assert!(!bed.is_open(&third), "removed from the workspace");
        let fourth = bed.session(&bob);
        assert_eq!(bed.store.scope_of_session(&fourth, bed.id()).expect("reads"), None, "no member any more");
        bed.home.shell("UPDATE sessions SET expires_at = 1").expect("time passes");
        assert!(!bed.is_open(&fourth));
    });
}

#[test]
fn an_account_can_end_sessions_that_are_idle() {
    each(|bed| {
        let anna = bed.person("anna@example.com", &owner());
        let session = bed.session(&anna);
        bed.home.shell("UPDATE sessions SET seen_at = seen_at - 1200000").expect("20 minutes pass");
        bed.change(|_| {
            assert!(bed.is_open(&session), "who reads waits for nobody who changes the store");
            Ok(())
        })
        .expect("changes nothing");
        assert!(bed.is_open(&session), "no limit; and now it was seen");
        bed.change(|change| change.set_idle_limit(&bed.account(), Some(15))).expect("set");
        assert!(bed.is_open(&session));
        bed.home.shell("UPDATE sessions SET seen_at = seen_at - 1200000").expect("20 minutes pass");
        assert!(!bed.is_open(&session));
        assert!(bed.change(|change| change.set_idle_limit(&bed.account(), Some(0))).is_err());
    });
}

#[test]
fn who_must_change_the_password_does_nothing_before() {
    each(|bed| {
        let anna = bed.person("anna@example.com", &owner());
        let (password, hash) = bed.store.one_time_password().expect("made");
        bed.change(|change| change.set_password(&anna.id, &hash, true)).expect("set");
        let user = bed.store.user_with_password("anna@example.com", &password).expect("looks").expect("right");
        assert!(user.must_change);
        let session = bed.session(&anna);
        assert!(bed.is_open(&session));
        assert_eq!(bed.store.scope_of_session(&session, bed.id()).expect("reads"), None);
    });
}

#[test]
fn a_token_has_an_end_of_at_most_a_year_and_is_of_one_workspace_and_one_cell() {
    each(|bed| {
        let now = bed.store.view(|view| Ok::<_, ControlError>(view.now())).expect("reads");
        let day = 24 * 3_600_000;
        let token = |expires_at| NewToken { expires_at, grants: whole(Role::SourceReadOnly), ..NewToken::new("t") };
        for (end, good) in
            [(now.plus(day), true), (now.plus(366 * day), true), (now.plus(368 * day), false), (now, false)]
        {
            let made = bed.change(|change| change.create_token(bed.id(), &token(Some(end)), &owner()));
            assert_eq!(made.is_ok(), good, "{end:?}");
        }
        let made = bed.change(|change| change.create_token(bed.id(), &token(None), &owner())).expect("a token");
        let scope = |bearer: &str| bed.store.scope_of_token(bearer).expect("looks");
        let held = scope(&made.token).expect("holds");
        assert_eq!((held.workspace, held.grants), (bed.id().clone(), whole(Role::SourceReadOnly)));
        let elsewhere = Bed::sqlite();
        assert_eq!(elsewhere.store.scope_of_token(&made.token).expect("looks"), None, "another cell");
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("another workspace");
        let theirs = bed.change(|change| change.revoke_token(&other.id, &made.id));
        assert!(is_absent(theirs, Resource::Token), "another workspace ends no token of this one");
        let listed = bed.store.view(|view| view.tokens(bed.id(), &ALL)).expect("reads");
        let shown = listed.rows.iter().find(|token| token.id == made.id).expect("listed");
        assert!(shown.last_used_at.is_some() && shown.created_by == "operator");
        bed.home.shell("UPDATE tokens SET expires_at = 1").expect("time passes");
        assert_eq!(scope(&made.token), None, "run out");
        assert!(!bed.trail().contains(&made.token));
    });
}

#[test]
fn a_token_never_outlives_the_one_that_made_it() {
    each(|bed| {
        let now = bed.store.view(|view| Ok::<_, ControlError>(view.now())).expect("reads");
        let day = 24 * 3_600_000;
        let made_by = |by: &Actor, expires_at| {
            let new = NewToken { expires_at, ..NewToken::new("t") };
            bed.store.change(by, |change| change.create_token(bed.id(), &new, &owner())).expect("makes a token")
        };
        let actor = |token: &MadeToken| Actor::Token { id: token.id.clone(), name: "t".to_owned() };
        let holds = |token: &MadeToken| bed.store.scope_of_token(&token.token).expect("looks").is_some();
        let first = made_by(&BY, Some(now.plus(day)));
        for (wanted, end) in [
            (None, day),
            (Some(now.plus(30 * day)), day),
            (Some(now.plus(day)), day),
            (Some(now.plus(day / 2)), day / 2),
        ] {
            let made = made_by(&actor(&first), wanted);
            assert_eq!(made.expires_at, Some(now.plus(end)), "{wanted:?}");
            let listed = bed.store.view(|view| view.tokens(bed.id(), &ALL)).expect("reads");
            let kept = listed.rows.into_iter().find(|token| token.id == made.id).expect("listed");
            assert_eq!(kept.expires_at, made.expires_at);
        }
        // Who ends a token ends what it made, and what that made.
        let second = made_by(&actor(&first), None);
        let third = made_by(&actor(&second), None);
        let beside = made_by(&BY, None);
        assert_eq!(made_by(&actor(&beside), None).expires_at, None);
        assert!(holds(&second) && holds(&third));
        bed.change(|change| change.revoke_token(bed.id(), &first.id)).expect("revoked");
        assert!(!holds(&first) && !holds(&second) && !holds(&third) && holds(&beside));
        let again = bed.change(|change| change.revoke_token(bed.id(), &third.id));
        assert!(is_absent(again, Resource::Token));
        assert_eq!(bed.trail().matches("Token Revoked").count(), 7);
        // One that is replaced by what it made ends alone. What a thief made ends also where that was done in between.
        let next = made_by(&actor(&beside), None);
        let last = made_by(&actor(&next), None);
        bed.change(|change| change.revoke_token_alone(bed.id(), &next.id)).expect("revoked");
        assert!(holds(&beside) && !holds(&next) && holds(&last));
        bed.change(|change| change.revoke_token(bed.id(), &beside.id)).expect("revoked");
        assert!(!holds(&last), "its maker's maker was ended");
    });
}

#[test]
fn the_first_token_of_a_workspace_is_its_own_and_not_its_makers() {
    each(|bed| {
        let now = bed.store.view(|view| Ok::<_, ControlError>(view.now())).expect("reads");
        let new = NewToken { expires_at: Some(now.plus(3_600_000)), ..NewToken::new("t") };
        let maker = bed.change(|change| change.create_token(bed.id(), &new, &owner())).expect("a token");
        let by = Actor::Token { id: maker.id.clone(), name: "t".to_owned() };
        let other = bed.store.create_workspace(&by, "other", "Other").expect("another workspace");
        let theirs = bed.store.create_token(&by, &other.id, "first").expect("its first token");
        assert_eq!(theirs.expires_at, None, "not the maker's end");
        bed.change(|change| change.revoke_token(bed.id(), &maker.id)).expect("revoked");
        assert!(bed.store.scope_of_token(&theirs.token).expect("looks").is_some());
    });
}

#[test]
fn what_changed_since_a_sign_in_was_checked_opens_no_session() {
    each(|bed| {
        let anna = bed.person("anna@example.com", &owner());
        let sign_in = || bed.store.user_with_password("anna@example.com", PASSWORD).expect("looks").expect("right");
        let open = |user: &UserRecord, how: &str| bed.change(|change| change.open_session(user, how));
        let checked = sign_in();
        open(&checked, "password").expect("nothing has changed");
        let hash = bed.store.hash_password("another horse battery", "anna@example.com", "Anna").expect("good");
        bed.change(|change| change.set_password(&anna.id, &hash, false)).expect("changed");
        assert!(is_refused(open(&checked, "password")), "the password that was checked is one no more");
        assert!(is_absent(open(&checked, "no-such-provider"), Resource::IdentityProvider));
    });
}

#[test]
fn a_workspace_has_a_bounded_number_of_tokens_that_hold() {
    each(|bed| {
        let new = NewToken { grants: Grants::default(), ..NewToken::new("t") };
        let make = |change: &mut Change<'_>| change.create_token(bed.id(), &new, &owner());
        bed.change(|change| (0..500).try_for_each(|_| make(change).map(drop))).expect("500 tokens");
        assert!(is_conflict(bed.change(make)));
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("another workspace");
        bed.store.create_token(&BY, &other.id, "t").expect("each workspace has its own");
        let listed = bed.store.view(|view| view.tokens(bed.id(), &Page { count: 2, ..ALL })).expect("reads");
        bed.change(|change| change.revoke_token(bed.id(), &listed.rows[0].id)).expect("revoked");
        bed.change(make).expect("there is room");
        bed.home.shell(&format!("UPDATE tokens SET expires_at = 1 WHERE id = '{}'", listed.rows[1].id)).expect("time");
        bed.change(make).expect("what has run out holds nothing");
    });
}

#[test]
fn who_is_taken_out_leaves_no_token_there() {
    each(|bed| {
        bed.person("anna@example.com", &owner());
        let bob = bed.person("bob@example.com", &owner());
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("another workspace");
        let by = Actor::User { id: bob.id.clone(), name: bob.email.clone() };
        let here = bed.store.create_token(&by, bed.id(), "t").expect("a token");
        let theirs = bed.store.create_token(&by, &other.id, "t").expect("a token");
        let by_token = Actor::Token { id: here.id, name: "t".to_owned() };
        let below = bed.store.create_token(&by_token, bed.id(), "t").expect("a token");
        let beside = bed.store.create_token(&BY, bed.id(), "t").expect("a token");
        bed.change(|change| change.remove_member(bed.id(), &bob.id)).expect("removed");
        for (token, holds) in [(here.token, false), (below.token, false), (theirs.token, true), (beside.token, true)] {
            assert_eq!(bed.store.scope_of_token(&token).expect("looks").is_some(), holds);
        }
    });
}

#[test]
fn an_operators_token_opens_no_workspace() {
    each(|bed| {
        let token = bed.store.operator_token(None).expect("made");
        assert_eq!(bed.store.operator_token(Some(&token)).expect("kept"), token);
        let scope = bed.store.scope_of_token(&token).expect("looks").expect("holds");
        assert!(scope.is_operator() && scope.grants == Grants::default() && scope.workspace.as_str().is_empty());
        let newer = bed.store.operator_token(Some("domo_forgotten")).expect("made anew");
        assert_ne!(newer, token);
        assert_eq!(bed.store.scope_of_token(&token).expect("looks"), None, "the old one is ended");
        let own = bed.store.create_token(&BY, bed.id(), "ci").expect("a token");
        assert!(!bed.store.scope_of_token(&own.token).expect("looks").expect("holds").is_operator());
    });
}

#[test]
fn an_invitation_counts_once_and_never_opens_what_somebody_has_elsewhere() {
    each(|bed| {
        bed.person("anna@example.com", &owner());
        let invite =
            |email: &str| bed.change(|change| change.invite(bed.id(), email, &whole(Role::SourceAdmin), &owner()));
        let hash = || bed.store.hash_password(PASSWORD, "x@example.org", "X").expect("good");
        assert!(is_conflict(invite("anna@example.com")), "a member");
        let older = invite("Carl@Example.com").expect("invited");
        let newer = invite("carl@example.com").expect("invited again");
        let accept = |token: &str| bed.store.accept_invite(token, "Carl", hash());
        for bad in ["", "x", older.token.as_str()] {
            assert!(is_absent(accept(bad), Resource::Invite), "{bad}");
        }
        let group = bed.change(|change| change.create_group(bed.id(), "Soon")).expect("a group");
        let emails = ["carl@example.com".to_owned()];
        bed.change(|change| change.add_to_group(bed.id(), &group.id, &emails, &owner())).expect("before he has come");
        let unknown = ["nobody@example.com".to_owned()];
        assert!(bed.change(|change| change.add_to_group(bed.id(), &group.id, &unknown, &owner())).is_err());
        let carl = accept(&newer.token).expect("he comes");
        assert!(bed.grants(&carl).0.iter().any(|grant| grant.role == Role::SourceAdmin));
        let members = bed.store.view(|view| view.group_members(bed.id(), &group.id, &ALL)).expect("reads");
        assert_eq!(members.rows.len(), 1);
        assert!(is_absent(accept(&newer.token), Resource::Invite), "a second time");
        // Who has an account in the cell signs in first.
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("another workspace");
        let made =
            bed.change(|change| change.invite(&other.id, "carl@example.com", &owner(), &owner())).expect("invited");
        assert!(is_conflict(accept(&made.token)), "the link alone is not enough");
        let dora = bed.person("dora@example.com", &Grants::default());
        let as_dora = bed.change(|change| change.accept_invite_as(&made.token, &dora.id));
        assert!(is_absent(as_dora, Resource::Invite), "somebody else's");
        bed.change(|change| change.accept_invite_as(&made.token, &carl.id)).expect("his own");
        assert_eq!(bed.store.view(|view| view.workspaces_of_user(&carl.id)).expect("reads").len(), 2);
        // Run out, and taken back.
        let late = invite("eve@example.com").expect("invited");
        bed.home.shell("UPDATE invites SET expires_at = 1").expect("time passes");
        assert!(is_absent(accept(&late.token), Resource::Invite));
        bed.change(|change| change.delete_invite(bed.id(), "EVE@example.com")).expect("taken back");
        assert!(is_absent(bed.change(|change| change.delete_invite(bed.id(), "eve@example.com")), Resource::Invite));
        let trail = bed.trail();
        assert!(!trail.contains(&newer.token) && trail.contains("Invite Accepted"));
    });
}

#[test]
fn an_entitlement_is_granted_and_taken_back_by_who_runs_the_cell() {
    each(|bed| {
        let account = bed.change(|change| change.create_account(&NewAccount { name: "A".into(), plan: "free".into() }));
        let id = account.expect("an account").id;
        bed.change(|change| change.grant_entitlement(&id, "business", "contract 17")).expect("granted");
        let held = bed.store.view(|view| view.entitlements(&id)).expect("reads");
        assert_eq!((held[0].plan.as_str(), held[0].granted_by.as_str(), held.len()), ("business", "operator", 1));
        bed.change(|change| change.revoke_entitlement(&id, "business")).expect("taken back");
        let again = bed.change(|change| change.revoke_entitlement(&id, "business"));
        assert!(is_absent(again, Resource::Entitlement));
        assert_eq!(bed.change(|change| change.set_plan(&id, "business")).expect("set").plan, "business");
        assert!(bed.change(|change| change.grant_entitlement(&id, "business", "a\nb")).is_err());
        let listed = bed.store.view(|view| view.accounts(&ALL)).expect("reads");
        assert!(listed.rows.iter().any(|account| account.id == id));
    });
}

#[test]
fn no_password_no_hash_and_no_session_is_on_the_audit_trail() {
    each(|bed| {
        let anna = bed.person("anna@example.com", &owner());
        let session = bed.session(&anna);
        let trail = bed.home.shell("SELECT coalesce(before, '') || coalesce(after, '') FROM audit").expect("reads");
        let trail = trail.join("\n");
        for secret in [PASSWORD, "argon2", session.as_str()] {
            assert!(!trail.contains(secret), "{secret}");
        }
        assert!(bed.trail().contains("User Signed In"));
    });
}
