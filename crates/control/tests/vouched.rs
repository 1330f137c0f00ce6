//! Identity providers: whom they are believed about, and whose an address is.

use crate::bed::each;
use crate::people::{ALL, PASSWORD, is_absent, is_conflict, is_refused, owner, whole};
use domicile_control::{
    AuditFilter, Change, Grants, NewAccount, NewIdentityProvider, NewUser, NewWorkspace, Resource, Role, Vouched,
};
use domicile_workspace::WorkspaceId;

fn provider(domain: &str) -> NewIdentityProvider {
    NewIdentityProvider {
        name: "Work".to_owned(),
        issuer: "https://id.example.com".to_owned(),
        client_id: "cell".to_owned(),
        secret: Some("very-secret-indeed".to_owned()),
        domains: vec![domain.to_owned()],
        country: None,
    }
}

fn vouched(subject: &str, email: &str) -> Vouched {
    Vouched { subject: subject.to_owned(), email: email.to_owned(), name: "Some\u{202E}body".to_owned() }
}

#[test]
fn a_provider_makes_a_member_without_roles_and_knows_them_by_subject() {
    each(|bed| {
        bed.person("anna@example.com", &owner());
        let made = bed.change(|change| change.create_identity_provider(&bed.account(), &provider("example.com")));
        let made = made.expect("set up");
        let secret = bed.store.view(|view| view.client_secret(&made)).expect("opens");
        assert_eq!(secret.as_deref(), Some("very-secret-indeed"));
        assert!(!format!("{made:?}").contains("very-secret") && !bed.trail().contains("very-secret"));
        let sign_in = |who: &Vouched| bed.store.user_vouched_for(&made.id, who);
        let bob = sign_in(&vouched("s1", "Bob@example.com")).expect("the first time");
        assert_eq!((bob.email.as_str(), bob.has_password), ("bob@example.com", false));
        assert_eq!(bed.grants(&bob), whole(Role::WorkspaceMember));
        assert_eq!(bed.store.user_with_password("bob@example.com", "").expect("looks"), None);
        // The address changed hands at the provider: the subject says who it is.
        assert_eq!(sign_in(&vouched("s1", "robert@example.com")).expect("again").id, bob.id);
        assert!(
            is_refused(sign_in(&vouched("s9", "bob@example.com"))),
            "an address that changed hands takes nothing along"
        );
        bed.change(|change| change.remove_member(bed.id(), &bob.id)).expect("removed");
        let again = sign_in(&vouched("s1", "bob@example.com")).expect("known");
        assert_eq!(bed.grants(&again), Grants::default(), "who was taken out is not put back");
        assert!(is_refused(sign_in(&vouched("s2", "bob@evil.example"))));
        assert!(sign_in(&vouched("s2", "bob@x@example.com")).is_err());
        bed.change(|change| change.enable_identity_provider(&made.id, false)).expect("off");
        assert!(is_absent(sign_in(&vouched("s1", "bob@example.com")), Resource::IdentityProvider));
        bed.change(|change| change.delete_identity_provider(&made.id)).expect("deleted");
        assert!(is_absent(
            bed.change(|change| change.enable_identity_provider(&made.id, true)),
            Resource::IdentityProvider
        ));
    });
}

#[test]
fn an_account_with_a_provider_of_its_own_can_not_be_somebody_of_another_account() {
    each(|bed| {
        let anna = bed.person("anna@example.com", &owner());
        bed.person("owner@mallory.example", &owner());
        let mallory = bed.change(|change| {
            let account = change.create_account(&NewAccount { name: "M".into(), plan: "free".into() })?;
            let new = NewWorkspace { slug: "m".into(), name: "M".into(), plan: None };
            change.create_workspace(&account.id, &new)?;
            Ok(account.id)
        });
        let mallory = mallory.expect("another account");
        bed.change(|change| change.create_identity_provider(&bed.account(), &provider("example.com"))).expect("set up");
        let same_domain = bed.change(|change| change.create_identity_provider(&mallory, &provider("Example.com")));
        assert!(is_conflict(same_domain), "a domain is one account's");
        let theirs = bed.change(|change| change.create_identity_provider(&mallory, &provider("mallory.example")));
        let theirs = theirs.expect("another domain");
        for email in ["anna@example.com", "owner@mallory.example"] {
            let found = bed.store.user_vouched_for(&theirs.id, &vouched("s", email));
            assert!(is_refused(found), "{email}");
        }
        assert!(bed.grants(&anna).is_owner());
    });
}

#[test]
fn an_address_of_another_accounts_domain_is_not_to_be_had() {
    each(|bed| {
        bed.person("anna@example.com", &owner());
        let made = |change: &mut Change<'_>| {
            let account = change.create_account(&NewAccount { name: "M".into(), plan: "free".into() })?;
            let new = NewWorkspace { slug: "m".into(), name: "M".into(), plan: None };
            Ok((account.id.clone(), change.create_workspace(&account.id, &new)?.id))
        };
        let (mallory, theirs) = bed.change(made).expect("another account");
        let invite = |workspace: &WorkspaceId, email: &str| {
            bed.change(|change| change.invite(workspace, email, &owner(), &owner()))
        };
        // The link was made before the provider was, and is opened after.
        let before = invite(&theirs, "ceo@example.com").expect("nobody's domain yet");
        let made = bed.change(|change| change.create_identity_provider(&bed.account(), &provider("example.com")));
        let made = made.expect("set up");
        let hash = || bed.store.hash_password(PASSWORD, "x@example.org", "X").expect("good");
        assert!(is_conflict(bed.store.accept_invite(&before.token, "Ceo", hash())));
        let squat = |email: &str, password| {
            let new = NewUser { email: email.into(), name: "Ceo".into(), password, must_change: false };
            bed.change(|change| change.create_user(&mallory, &new))
        };
        for _ in 0..2 {
            for email in ["ceo@example.com", "CEO@Example.Com"] {
                assert!(is_conflict(invite(&theirs, email)), "{email}");
                assert!(is_conflict(squat(email, Some(hash()))), "{email}");
            }
            // Who has the address is invited: the link is nothing to who can't sign in as them.
            let link = invite(&theirs, "anna@example.com").expect("somebody has the address").token;
            assert!(is_conflict(bed.store.accept_invite(&link, "Anna", hash())));
            assert!(is_conflict(squat("anna@example.com", Some(hash()))));
            assert!(is_conflict(squat("ceo@example.com", None)));
            bed.change(|change| change.enable_identity_provider(&made.id, false)).expect("off, and still theirs");
        }
        bed.change(|change| change.enable_identity_provider(&made.id, true)).expect("on");
        invite(&theirs, "ceo@sub.example.com").expect("another domain");
        invite(bed.id(), "carl@example.com").expect("their own");
        let ceo = bed.store.user_vouched_for(&made.id, &vouched("s", "ceo@example.com")).expect("comes in");
        assert_eq!(ceo.account, bed.account());
    });
}

#[test]
fn whom_a_provider_vouches_for_first_has_no_password_and_no_session_of_before() {
    each(|bed| {
        bed.person("anna@example.com", &owner());
        let bob = bed.person("bob@example.com", &whole(Role::SourceAdmin));
        let before = bed.session(&bob);
        let made = bed.change(|change| change.create_identity_provider(&bed.account(), &provider("example.com")));
        let made = made.expect("set up");
        let sign_in = || bed.store.user_vouched_for(&made.id, &vouched("s", "bob@example.com")).expect("comes in");
        let linked = sign_in();
        assert_eq!((&linked.id, linked.has_password, linked.must_change), (&bob.id, false, false));
        assert!(!bed.is_open(&before));
        assert_eq!(bed.store.user_with_password("bob@example.com", PASSWORD).expect("looks"), None);
        assert!(bed.grants(&linked).0.iter().any(|grant| grant.role == Role::SourceAdmin), "the roles stay");
        // Later sign-ins end nothing.
        let after = bed.change(|change| change.open_session(&linked, &made.id)).expect("opens a session");
        assert_eq!(sign_in().id, bob.id);
        assert!(bed.is_open(&after));
        // A provider that is switched off holds nobody in.
        bed.change(|change| change.enable_identity_provider(&made.id, false)).expect("off");
        assert!(!bed.is_open(&after));
        let late = bed.change(|change| change.open_session(&linked, &made.id));
        assert!(is_absent(late, Resource::IdentityProvider), "who was vouched for before it was switched off");
    });
}

#[test]
fn who_comes_stands_on_the_trail_as_who_they_are() {
    each(|bed| {
        bed.person("anna@example.com", &owner());
        let invited = bed.change(|change| change.invite(bed.id(), "eve@example.org", &owner(), &owner()));
        let hash = bed.store.hash_password(PASSWORD, "eve@example.org", "Eve").expect("good");
        let eve = bed.store.accept_invite(&invited.expect("invited").token, "Eve", hash).expect("she comes");
        let made = bed.change(|change| change.create_identity_provider(&bed.account(), &provider("example.com")));
        let bob = bed.store.user_vouched_for(&made.expect("set up").id, &vouched("s", "bob@example.com"));
        let bob = bob.expect("he comes");
        let entries = bed.store.view(|view| view.audit(bed.id(), &AuditFilter::default(), &ALL)).expect("reads").rows;
        let by = |kind: &str, about: &str| {
            let entry = entries.iter().find(|entry| entry.kind == kind && entry.resource_name == about);
            entry.map(|entry| (entry.actor.clone(), entry.actor_name.clone()))
        };
        for (kind, user) in [("User Added", &eve), ("Invite Accepted", &eve), ("User Added", &bob)] {
            assert_eq!(by(kind, &user.email), Some((format!("user:{}", user.id), user.email.clone())), "{kind}");
        }
        assert_eq!(by("User Added", "anna@example.com").expect("is there").0, "operator", "whom the operator put in");
    });
}
