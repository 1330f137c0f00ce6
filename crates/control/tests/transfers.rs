//! Transfers: two persons open the border for a workspace, one closes it, and nothing that was agreed is edited.

use crate::bed::{BY, Bed, region};
use crate::engine::Home;
use crate::people::{ALL, owner, whole};
use crate::single::OneStep as _;
use domicile_control::{
    Actor, ApplyConfiguration, Change, ControlError, MadeToken, NewToken, NewTransfer, Role, TransferFields,
    TransferRecord, TransferState, UserRecord,
};
use domicile_region::{BorderPolicy, Country, CountrySet, Region};
use domicile_workspace::WorkspaceId;
use serde_json::json;

fn country(code: &str) -> Country {
    Country::new(code).expect("a country")
}

/// Runs a test on a store of each engine, in a region that allows its own country alone.
fn each(test: impl Fn(Bed)) {
    let border = BorderPolicy { allow: CountrySet::These([country("CH")].into()), transfers: Vec::new() };
    for home in Home::each(&Region { border, ..region("ch-north") }) {
        eprintln!("on {}", if home.is_sqlite() { "SQLite" } else { "PostgreSQL" });
        test(Bed::at(home));
    }
}

/// `2027-06-30`, so many days after today.
fn day(days: i64) -> String {
    let now = domicile_world::World::real().clock.now();
    domicile_event::Stamp::of(now.plus(days * 86_400_000).0).as_str()[..10].to_owned()
}

fn new() -> NewTransfer {
    NewTransfer {
        to: country("US"),
        vendor: Some("actions-amplitude".to_owned()),
        basis: "dpf".to_owned(),
        expires: day(30),
        fields: None,
        reason: "product analytics".to_owned(),
    }
}

fn as_user(user: &UserRecord) -> Actor {
    Actor::User { id: user.id.clone(), name: user.email.clone() }
}

fn as_token(token: &MadeToken) -> Actor {
    Actor::Token { id: token.id.clone(), name: "a token".to_owned() }
}

impl Bed {
    fn token_by(&self, maker: &Actor) -> Actor {
        let make = |change: &mut Change<'_>| change.create_token(self.id(), &NewToken::new("t"), &owner());
        as_token(&self.store.change(maker, make).expect("makes a token"))
    }

    fn request(&self, by: &Actor) -> TransferRecord {
        self.store.change(by, |change| change.request_transfer(self.id(), &new())).expect("requests it")
    }

    fn approve(&self, by: &Actor, transfer: &TransferRecord) -> Result<TransferRecord, ControlError> {
        self.store.change(by, |change| change.approve_transfer(self.id(), transfer.id.as_str(), None))
    }

    fn end(&self, by: &Actor, transfer: &TransferRecord) -> Result<TransferRecord, ControlError> {
        self.store.change(by, |change| change.end_transfer(self.id(), transfer.id.as_str(), None))
    }

    /// Ids of what the border would be given.
    fn in_force(&self) -> Vec<String> {
        self.store.current().load().transfers_of(self.id()).map(|transfer| transfer.id.to_string()).collect()
    }
}

#[test]
fn two_persons_grant_a_transfer_and_one_ends_it() {
    each(|bed| {
        let (anna, bob) = (bed.person("anna@acme.example", &owner()), bed.person("bob@acme.example", &owner()));
        let requested = bed.request(&as_user(&anna));
        assert_eq!(
            (requested.state, requested.requested.name.as_str()),
            (TransferState::Requested, "anna@acme.example")
        );
        assert!(bed.in_force().is_empty(), "a request lets nothing out");
        let granted = bed.approve(&as_user(&bob), &requested).expect("grants it");
        assert_eq!(granted.approved.as_ref().expect("who").name, "bob@acme.example");
        assert_eq!(bed.in_force(), [granted.id.to_string()]);
        let bed = bed.reopen();
        let snapshot = bed.store.current().load();
        let kept = snapshot.transfers_of(bed.id()).next().expect("is there after a restart");
        let told = (kept.transfer.to, kept.transfer.vendor.as_deref(), kept.transfer.approved_by.as_str());
        assert_eq!(told, (country("US"), Some("actions-amplitude"), "bob@acme.example"));
        let ended = bed.end(&as_user(&anna), &granted).expect("who requested it may end it");
        assert_eq!((ended.state, bed.in_force().len()), (TransferState::Ended, 0));
        for refused in [bed.approve(&as_user(&bob), &ended), bed.end(&as_user(&bob), &ended)] {
            assert!(matches!(refused, Err(ControlError::Conflict { .. })), "{refused:?}");
        }
        let declined = bed.request(&as_user(&anna));
        let declined = bed.end(&as_user(&bob), &declined).expect("declines it");
        assert_eq!(declined.state, TransferState::Declined);
        assert!(matches!(bed.approve(&as_user(&bob), &declined), Err(ControlError::Conflict { .. })));
        let trail = bed.store.audit(bed.id(), 0, 100).expect("reads");
        let told: Vec<_> = trail
            .iter()
            .filter(|entry| entry.resource_kind == "transfer")
            .map(|entry| (entry.kind.as_str(), entry.actor_name.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("Transfer Requested", "anna@acme.example"),
                ("Transfer Granted", "bob@acme.example"),
                ("Transfer Ended", "anna@acme.example"),
                ("Transfer Requested", "anna@acme.example"),
                ("Transfer Declined", "bob@acme.example"),
            ]
        );
    });
}

/// Method: each pair of who requests and who approves, where `A` and `B` are owners, `a` is a token that A made, `aa` one that
/// this token made, `t` and `u` tokens that the operator made, and `op` is the operator's token.
#[test]
fn a_token_is_no_second_person() {
    each(|bed| {
        let (anna, bob) = (bed.person("anna@acme.example", &owner()), bed.person("bob@acme.example", &owner()));
        let operator = bed.change(|change| change.create_operator_token("op")).expect("makes a token");
        let (anna, bob) = (as_user(&anna), as_user(&bob));
        let a = bed.token_by(&anna);
        let actors = [
            ("A", anna.clone()),
            ("B", bob.clone()),
            ("aa", bed.token_by(&a)),
            ("a", a),
            ("b", bed.token_by(&bob)),
            ("t", bed.token_by(&BY)),
            ("u", bed.token_by(&as_token(&operator))),
            ("op", as_token(&operator)),
            ("program", BY),
        ];
        let actor = |name: &str| &actors.iter().find(|(known, _)| *known == name).expect("an actor").1;
        for (requests, approve) in [
            ("A", "B b op program"),
            ("a", "B b op program"),
            ("aa", "B b op program"),
            ("B", "A a aa op program"),
            // Whoever holds it may be any of the persons.
            ("t", "op program"),
            ("u", "op program"),
            ("program", ""),
        ] {
            for (approves, by) in &actors {
                let requested = bed.request(actor(requests));
                let granted = bed.approve(by, &requested);
                let may = approve.split_whitespace().any(|name| name == *approves);
                assert_eq!(granted.is_ok(), may, "{requests} requests, {approves} approves: {granted:?}");
                assert!(may || matches!(granted, Err(ControlError::Refused { .. })), "{granted:?}");
                bed.end(&BY, &requested).expect("makes room");
            }
        }
    });
}

#[test]
fn a_token_approves_no_longer_than_its_maker_could() {
    each(|bed| {
        let (anna, bob) = (bed.person("anna@acme.example", &owner()), bed.person("bob@acme.example", &owner()));
        let token = bed.token_by(&as_user(&bob));
        let requested = bed.request(&as_user(&anna));
        let lesser = whole(Role::SourceAdmin);
        bed.change(|change| {
            change.replace_permissions(bed.id(), domicile_control::Subject::User(&bob.id), &lesser, &owner())
        })
        .expect("takes the role");
        let refused = bed.approve(&token, &requested);
        assert!(matches!(refused, Err(ControlError::Refused { .. })), "{refused:?}");
    });
}

#[test]
fn what_can_not_be_a_transfer_is_refused_by_its_field() {
    each(|bed| {
        let fields = |allow: &[&str], deny: &[&str], hash: &[&str]| {
            let texts = |list: &[&str]| match list {
                ["-"] => None,
                list => Some(list.iter().map(|path| (*path).to_owned()).collect()),
            };
            Some(TransferFields { allow: texts(allow), deny: texts(deny), hash: texts(hash), truncate_ip: false })
        };
        let expires = |expires: &str| NewTransfer { expires: expires.to_owned(), ..new() };
        let with = |fields| NewTransfer { fields, ..new() };
        let many: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (bad, field) in [
            (NewTransfer { to: country("CH"), ..new() }, "to"),
            (NewTransfer { vendor: Some("amplitud".to_owned()), ..new() }, "vendor"),
            (NewTransfer { vendor: Some(String::new()), ..new() }, "vendor"),
            (NewTransfer { vendor: Some("webhook".to_owned()), ..new() }, "vendor"),
            (NewTransfer { basis: "because".to_owned(), ..new() }, "basis"),
            (expires(&day(0)), "expires"),
            (expires(&day(-1)), "expires"),
            (expires(&day(5 * 366 + 2)), "expires"),
            (expires("2027-02-30"), "expires"),
            (expires("30.06.2027"), "expires"),
            (expires(""), "expires"),
            (NewTransfer { reason: " \n ".to_owned(), ..new() }, "reason"),
            (NewTransfer { reason: "x".repeat(1_001), ..new() }, "reason"),
            (with(fields(&["-"], &["-"], &["-"])), "fields"),
            (with(fields(&[], &["-"], &["-"])), "fields.allow"),
            (with(fields(&["event", ""], &["-"], &["-"])), "fields.allow.1"),
            (with(fields(&["-"], &["traits..email"], &["-"])), "fields.deny.0"),
            (with(fields(&["-"], &["-"], &["user\u{202e}Id"])), "fields.hash.0"),
            (with(fields(&["event", "event"], &["-"], &["-"])), "fields.allow.1"),
            (with(fields(&["event", "userId"], &["userId"], &["-"])), "fields.allow.1"),
            (with(fields(&many, &["-"], &["-"])), "fields.allow"),
        ] {
            let refused = bed.change(|change| change.request_transfer(bed.id(), &bad));
            let Err(ControlError::Invalid { field: found, .. }) = refused else { panic!("{bad:?}: {refused:?}") };
            assert_eq!(found, field, "{bad:?}");
        }
        let good = NewTransfer {
            vendor: None,
            fields: Some(TransferFields { truncate_ip: true, ..TransferFields::default() }),
            expires: day(5 * 365),
            ..new()
        };
        let made = bed.change(|change| change.request_transfer(bed.id(), &good)).expect("takes it");
        assert_eq!((made.fields, made.vendor), (good.fields, None));
    });
}

#[test]
fn a_workspace_finds_no_transfer_of_another_and_has_no_more_than_it_can_oversee() {
    each(|bed| {
        let own = bed.request(&BY);
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes one");
        let id = own.id.as_str();
        let not_found = |done: Result<TransferRecord, ControlError>| matches!(done, Err(ControlError::NotFound(_)));
        assert!(not_found(bed.store.view(|view| view.transfer(&other.id, id))));
        assert!(not_found(bed.change(|change| change.approve_transfer(&other.id, id, None))));
        assert!(not_found(bed.change(|change| change.end_transfer(&other.id, id, None))));
        let listed = |workspace: Option<&WorkspaceId>| {
            bed.store.view(|view| view.transfers(workspace, &ALL)).expect("reads").rows.len()
        };
        assert_eq!((listed(Some(&other.id)), listed(Some(bed.id())), listed(None)), (0, 1, 1));
        for _ in 1..100 {
            bed.request(&BY);
        }
        let refused = bed.change(|change| change.request_transfer(bed.id(), &new()));
        assert!(matches!(refused, Err(ControlError::Conflict { .. })), "{refused:?}");
        bed.end(&BY, &own).expect("makes room");
        bed.request(&BY);
    });
}

/// A plan says where data would go, and under what.
#[test]
fn a_plan_knows_the_workspaces_own_transfers() {
    each(|bed| {
        let document = json!({
            "workspace": { "region": bed.home.region.id.as_str() },
            "sources": { "web": { "type": "website", "destinations": {
                "Hook": { "type": "webhook", "settings": { "url": "https://a.example/x", "country": "US" } },
            } } },
        });
        let asked = ApplyConfiguration {
            document: document.as_object().expect("an object"),
            prune: false,
            region_of_key: &|_| None,
            referenced: None,
            if_version: None,
        };
        let notes = || {
            let plan = bed.store.rehearse(&BY, |change| change.apply_configuration(bed.id(), &asked)).expect("plans");
            plan.steps.into_iter().flat_map(|step| step.residency).collect::<Vec<_>>().join("; ")
        };
        assert!(notes().contains("needs a transfer"), "{}", notes());
        let anna = bed.person("anna@acme.example", &owner());
        let any = NewTransfer { vendor: None, ..new() };
        let requested = bed.store.change(&as_user(&anna), |change| change.request_transfer(bed.id(), &any));
        bed.approve(&BY, &requested.expect("requests it")).expect("grants it");
        assert!(notes().contains("goes to US by a transfer (basis dpf, approved by operator"), "{}", notes());
    });
}

#[test]
fn who_read_an_older_state_does_not_decide_on_it() {
    each(|bed| {
        let (anna, bob) = (bed.person("anna@acme.example", &owner()), bed.person("bob@acme.example", &owner()));
        let requested = bed.request(&as_user(&anna));
        let version = Some(requested.version);
        let approve = |change: &mut Change<'_>| change.approve_transfer(bed.id(), requested.id.as_str(), version);
        bed.store.change(&as_user(&bob), approve).expect("grants it");
        let end = |change: &mut Change<'_>| change.end_transfer(bed.id(), requested.id.as_str(), version);
        assert!(matches!(bed.store.change(&as_user(&bob), end), Err(ControlError::Stale { .. })));
    });
}

#[test]
fn no_statement_edits_a_transfer_or_grants_it_to_who_requested_it() {
    const GRANT: &str = "UPDATE transfers SET state = 'granted', approved_name = 'x', approved_at = 1, approved_by =";
    each(|bed| {
        let (anna, bob) = (bed.person("anna@acme.example", &owner()), bed.person("bob@acme.example", &owner()));
        let granted = bed.request(&as_user(&anna));
        bed.approve(&as_user(&bob), &granted).expect("grants it");
        let requested = bed.request(&as_user(&anna));
        let (granted, requested, anna) = (granted.id.as_str(), requested.id.as_str(), anna.id.as_str());
        let row =
            "'x', workspace, country, vendor, basis, expires, fields, reason, 'granted', requested_by, requested_name,
                   requested_at, approved_by, approved_name, approved_at, NULL, NULL, NULL, version";
        let mut statements = vec![
            "DELETE FROM transfers".to_owned(),
            format!("{GRANT} 'user:{anna}' WHERE id = '{requested}'"),
            format!("{GRANT} 'token:t' WHERE id = '{requested}'"),
            format!("{GRANT} NULL WHERE id = '{requested}'"),
            format!("UPDATE transfers SET state = 'ended', closed_by = 'x', closed_at = 1 WHERE id = '{requested}'"),
            format!("UPDATE transfers SET state = 'ended' WHERE id = '{granted}'"),
            format!("UPDATE transfers SET state = 'requested' WHERE id = '{granted}'"),
            format!(
                "UPDATE transfers SET state = 'ended', closed_by = 'x', closed_at = 1, approved_by = 'y' WHERE id = '{granted}'"
            ),
            format!("UPDATE transfers SET version = version + 1 WHERE id = '{granted}'"),
            format!("INSERT INTO transfers SELECT 99, {row} FROM transfers WHERE id = '{granted}'"),
        ];
        for (column, value) in [
            ("expires", "'2099-01-01'"),
            ("country", "'CN'"),
            ("vendor", "NULL"),
            ("fields", "'{}'"),
            ("basis", "'consent'"),
            ("reason", "'x'"),
            ("requested_by", "'user:x'"),
            ("workspace", "7"),
            ("id", "'x'"),
        ] {
            for id in [granted, requested] {
                statements.push(format!("UPDATE transfers SET {column} = {value} WHERE id = '{id}'"));
            }
            statements.push(format!(
                "UPDATE transfers SET state = 'ended', closed_by = 'x', closed_at = 1, {column} = {value} WHERE id = '{granted}'"
            ));
        }
        match bed.home.is_sqlite() {
            true => statements.push(format!("INSERT OR REPLACE INTO transfers SELECT number, {row} FROM transfers")),
            false => statements.push("TRUNCATE transfers".to_owned()),
        }
        for statement in statements {
            let told = bed.home.shell(&statement);
            assert!(told.as_ref().is_err_and(|why| !why.contains("syntax")), "{statement}: {told:?}");
        }
        let bed = bed.reopen();
        assert_eq!(bed.in_force(), [granted]);
    });
}

/// What is stored once stays though its day goes by: the test dates a request back before it is one.
#[test]
fn an_expired_transfer_is_not_granted_and_a_granted_one_stays_in_the_snapshot_with_its_day() {
    each(|bed| {
        let old = "INSERT INTO transfers (id, workspace, country, basis, expires, reason, state, requested_by, requested_name,
                                          requested_at, version)
                   VALUES ('old', 1, 'US', 'dpf', '2020-01-01', 'x', 'requested', 'user:u', 'u', 0, 1)";
        bed.home.shell(old).expect("writes it");
        let found = bed.store.view(|view| view.transfer(bed.id(), "old")).expect("reads");
        assert_eq!(found.state, TransferState::Expired);
        assert!(matches!(bed.approve(&BY, &found), Err(ControlError::Conflict { .. })));
        let grant =
            "UPDATE transfers SET state = 'granted', approved_by = 'operator', approved_name = 'o', approved_at = 1,
                                          version = 99 WHERE id = 'old'";
        bed.home.shell(grant).expect("grants it as if it were long ago");
        bed.request(&BY);
        let bed = bed.reopen();
        assert_eq!(bed.in_force(), ["old"]);
        let found = bed.store.view(|view| view.transfer(bed.id(), "old")).expect("reads");
        assert_eq!(found.state, TransferState::Expired);
        bed.end(&BY, &found).expect("makes room");
        assert!(bed.in_force().is_empty());
    });
}
