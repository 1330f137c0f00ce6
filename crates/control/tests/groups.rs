//! Groups: what their changes tell.

use crate::bed::each;
use domicile_control::{AuditFilter, Grants, Page};

const ALL: Page = Page { after: None, before: None, count: 1_000 };

#[test]
fn replacing_a_group_tells_who_came_and_who_went_and_nothing_when_nobody_did() {
    each(|bed| {
        for email in ["anna@example.com", "bob@example.com", "cleo@example.com"] {
            bed.person(email, &Grants::owner());
        }
        let group = bed.change(|change| change.create_group(bed.id(), "Team")).expect("a group");
        let replace = |emails: &[&str]| {
            let emails: Vec<String> = emails.iter().map(|name| format!("{name}@example.com")).collect();
            let before = bed.version();
            bed.change(|change| change.replace_group(bed.id(), &group.id, &emails, &Grants::owner()))
                .expect("replaced");
            let filter = AuditFilter { resource_id: Some(group.id.clone()), ..AuditFilter::default() };
            let trail = bed.store.view(|view| view.audit(bed.id(), &filter, &ALL)).expect("reads").rows;
            let told = trail.into_iter().filter(|entry| entry.config_version > before);
            told.map(|entry| format!("{} {}", entry.kind, entry.after.unwrap_or_default()["emails"]))
                .collect::<Vec<_>>()
        };
        let came = |emails: &str| format!("Group Memberships Created {emails}");
        let went = |emails: &str| format!("Group Memberships Deleted {emails}");
        assert_eq!(replace(&["anna", "bob"]), [came(r#"["anna@example.com","bob@example.com"]"#)]);
        let version = bed.version();
        assert_eq!(replace(&["bob", "anna", "ANNA"]), [""; 0]);
        assert_eq!(bed.version(), version, "the same people are no change");
        assert_eq!(replace(&["bob"]), [went(r#"["anna@example.com"]"#)]);
        assert_eq!(replace(&["cleo"]), [came(r#"["cleo@example.com"]"#), went(r#"["bob@example.com"]"#)]);
        assert_eq!(replace(&[]), [went(r#"["cleo@example.com"]"#)]);
    });
}
