//! Roles: what someone may do in a workspace, and with which of its things.
//!
//! - A grant is a role and what it is held for: the whole workspace, named things, or everything with certain labels.
//! - Grants add up, and the highest wins. Nothing takes away what another grant gives.
//! - An owner may do everything. A member may do nothing by itself: it carries other roles.

use serde::{Deserialize, Serialize};

/// A role, with Segment's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    WorkspaceOwner,
    WorkspaceMember,
    SourceAdmin,
    SourceReadOnly,
    FunctionAdmin,
    FunctionReadOnly,
    TrackingPlanAdmin,
    TrackingPlanReadOnly,
    WarehouseAdmin,
    WarehouseReadOnly,
    PrivacyAdmin,
}

/// What a role is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Sources and their destinations, filters and transformations.
    Source,
    Function,
    TrackingPlan,
    Warehouse,
    /// Deletion and suppression of people.
    Privacy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Read,
    Admin,
}

impl Role {
    pub const ALL: [Self; 11] = [
        Self::WorkspaceOwner,
        Self::WorkspaceMember,
        Self::SourceAdmin,
        Self::SourceReadOnly,
        Self::FunctionAdmin,
        Self::FunctionReadOnly,
        Self::TrackingPlanAdmin,
        Self::TrackingPlanReadOnly,
        Self::WarehouseAdmin,
        Self::WarehouseReadOnly,
        Self::PrivacyAdmin,
    ];

    /// What the API and configuration files call it.
    pub fn id(self) -> &'static str {
        match self {
            Self::WorkspaceOwner => "workspace-owner",
            Self::WorkspaceMember => "workspace-member",
            Self::SourceAdmin => "source-admin",
            Self::SourceReadOnly => "source-read-only",
            Self::FunctionAdmin => "function-admin",
            Self::FunctionReadOnly => "function-read-only",
            Self::TrackingPlanAdmin => "tracking-plan-admin",
            Self::TrackingPlanReadOnly => "tracking-plan-read-only",
            Self::WarehouseAdmin => "warehouse-admin",
            Self::WarehouseReadOnly => "warehouse-read-only",
            Self::PrivacyAdmin => "privacy-admin",
        }
    }

    pub fn with_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkspaceOwner => "Workspace Owner",
            Self::WorkspaceMember => "Workspace Member",
            Self::SourceAdmin => "Source Admin",
            Self::SourceReadOnly => "Source Read-only",
            Self::FunctionAdmin => "Function Admin",
            Self::FunctionReadOnly => "Function Read-only",
            Self::TrackingPlanAdmin => "Tracking Plan Admin",
            Self::TrackingPlanReadOnly => "Tracking Plan Read-only",
            Self::WarehouseAdmin => "Warehouse Admin",
            Self::WarehouseReadOnly => "Warehouse Read-only",
            Self::PrivacyAdmin => "End User Privacy Admin",
        }
    }

    /// What whoever has it may do, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::WorkspaceOwner => {
                "Everything in the workspace; the only one to change access and to read the audit trail."
            }
            Self::WorkspaceMember => "Sees that the workspace exists. Give other roles beside it.",
            Self::SourceAdmin => "Changes sources, their write keys, destinations, filters and transformations.",
            Self::SourceReadOnly => "Sees sources, destinations, filters and transformations, and no write key.",
            Self::FunctionAdmin => "Writes and deploys functions.",
            Self::FunctionReadOnly => "Sees functions.",
            Self::TrackingPlanAdmin => "Changes tracking plans and their rules.",
            Self::TrackingPlanReadOnly => "Sees tracking plans.",
            Self::WarehouseAdmin => "Changes warehouses and what is synced to them.",
            Self::WarehouseReadOnly => "Sees warehouses and their syncs.",
            Self::PrivacyAdmin => "Suppresses and deletes people.",
        }
    }

    /// What it is about; `None` for everything, or nothing.
    pub fn area(self) -> Option<Area> {
        self.allows().map(|(area, _)| area)
    }

    /// What it allows; `None`: everything of its level, in every area, or nothing.
    pub(crate) fn allows(self) -> Option<(Area, Level)> {
        match self {
            Self::WorkspaceOwner | Self::WorkspaceMember => None,
            Self::SourceAdmin => Some((Area::Source, Level::Admin)),
            Self::SourceReadOnly => Some((Area::Source, Level::Read)),
            Self::FunctionAdmin => Some((Area::Function, Level::Admin)),
            Self::FunctionReadOnly => Some((Area::Function, Level::Read)),
            Self::TrackingPlanAdmin => Some((Area::TrackingPlan, Level::Admin)),
            Self::TrackingPlanReadOnly => Some((Area::TrackingPlan, Level::Read)),
            Self::WarehouseAdmin => Some((Area::Warehouse, Level::Admin)),
            Self::WarehouseReadOnly => Some((Area::Warehouse, Level::Read)),
            Self::PrivacyAdmin => Some((Area::Privacy, Level::Admin)),
        }
    }
}

impl Area {
    pub const ALL: [Self; 5] = [Self::Source, Self::Function, Self::TrackingPlan, Self::Warehouse, Self::Privacy];

    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Function => "function",
            Self::TrackingPlan => "tracking-plan",
            Self::Warehouse => "warehouse",
            Self::Privacy => "privacy",
        }
    }

    /// What the area has, as a sentence says it.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Function => "functions",
            Self::TrackingPlan => "tracking plans",
            Self::Warehouse => "warehouses",
            Self::Privacy => "people's privacy",
        }
    }
}

impl Level {
    pub const ALL: [Self; 2] = [Self::Read, Self::Admin];

    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// A label of a thing: one value for each key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelValue {
    pub key: String,
    pub value: String,
}

/// What a role is held for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Held {
    /// Everything that the role is about, what comes later too.
    Workspace,
    /// One thing.
    One { id: String },
    /// Whatever has all of these labels.
    Labels { labels: Vec<LabelValue> },
}

/// A role, and what it is held for. An empty list holds nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub role: Role,
    pub held: Vec<Held>,
}

impl Grant {
    /// The role for the whole workspace.
    pub fn whole(role: Role) -> Self {
        Self { role, held: vec![Held::Workspace] }
    }
}

/// Everything that someone may do in one workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(pub Vec<Grant>);

/// How far grants go in one area at one level.
pub struct Reach<'a>(Vec<&'a Held>);

impl Grants {
    pub fn owner() -> Self {
        Self(vec![Grant::whole(Role::WorkspaceOwner)])
    }

    pub fn is_owner(&self) -> bool {
        self.0.iter().any(|grant| grant.role == Role::WorkspaceOwner && grant.held.contains(&Held::Workspace))
    }

    /// Whether whoever has these may give all of `others` away. Roles that are held for labels reach what will carry them
    /// later: only a role for the same labels, or for everything, covers that.
    pub fn covers(&self, others: &Self) -> bool {
        self.is_owner() || others.0.iter().all(|other| self.covers_one(other))
    }

    fn covers_one(&self, other: &Grant) -> bool {
        match other.role.allows() {
            // An owner's role is an owner's to give; a member's gives nothing.
            None => other.role == Role::WorkspaceMember || other.held.is_empty(),
            Some((area, level)) => {
                let reach = self.reach(area, level);
                other.held.iter().all(|held| reach.is_whole() || reach.0.contains(&held))
            }
        }
    }

    /// For what the holder has at least `level` in `area`.
    pub fn reach(&self, area: Area, level: Level) -> Reach<'_> {
        if self.is_owner() {
            return Reach(vec![&Held::Workspace]);
        }
        let fits = |grant: &&Grant| grant.role.allows().is_some_and(|(of, at)| of == area && at >= level);
        Reach(self.0.iter().filter(fits).flat_map(|grant| &grant.held).collect())
    }
}

impl Reach<'_> {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything of the area, what comes later too.
    pub fn is_whole(&self) -> bool {
        self.0.contains(&&Held::Workspace)
    }

    /// The thing with this id and these labels.
    pub fn covers(&self, id: &str, labels: &[LabelValue]) -> bool {
        self.0.iter().any(|held| match held {
            Held::Workspace => true,
            Held::One { id: one } => one == id,
            Held::Labels { labels: wanted } => !wanted.is_empty() && wanted.iter().all(|label| labels.contains(label)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: &str) -> LabelValue {
        LabelValue { key: "env".to_owned(), value: value.to_owned() }
    }

    #[test]
    fn grants_add_up_and_reach_what_they_are_held_for() {
        let one = |id: &str| Held::One { id: id.to_owned() };
        let labels = Held::Labels { labels: vec![label("dev")] };
        let grants = Grants(vec![
            Grant { role: Role::SourceReadOnly, held: vec![one("a"), labels] },
            Grant { role: Role::SourceAdmin, held: vec![one("b")] },
            Grant::whole(Role::WarehouseReadOnly),
        ]);
        let may = |area, level, id: &str, labels: &[LabelValue]| grants.reach(area, level).covers(id, labels);
        for (area, level, id, labels, expected) in [
            (Area::Source, Level::Read, "a", &[][..], true),
            (Area::Source, Level::Admin, "a", &[], false),
            (Area::Source, Level::Admin, "b", &[], true),
            (Area::Source, Level::Read, "b", &[], true),
            (Area::Source, Level::Read, "c", &[], false),
            (Area::Source, Level::Read, "c", &[label("dev")], true),
            (Area::Source, Level::Read, "c", &[label("prod")], false),
            (Area::Warehouse, Level::Read, "w", &[], true),
            (Area::Warehouse, Level::Admin, "w", &[], false),
            (Area::Function, Level::Read, "f", &[], false),
        ] {
            assert_eq!(may(area, level, id, labels), expected, "{area:?} {level:?} {id}");
        }
        assert!(grants.reach(Area::Warehouse, Level::Read).is_whole());
        assert!(!grants.is_owner());
        assert!(Grants::owner().reach(Area::Privacy, Level::Admin).is_whole());
        assert!(Grants(vec![Grant::whole(Role::WorkspaceMember)]).reach(Area::Source, Level::Read).is_empty());
        assert!(
            Grants(vec![Grant { role: Role::WorkspaceOwner, held: vec![] }])
                .reach(Area::Source, Level::Read)
                .is_empty()
        );
    }

    #[test]
    fn nobody_gives_more_than_he_has() {
        let one = |role, id: &str| Grant { role, held: vec![Held::One { id: id.to_owned() }] };
        let labelled = |role| Grant { role, held: vec![Held::Labels { labels: vec![label("dev")] }] };
        for (has, gives, may) in [
            (Grant::whole(Role::WorkspaceOwner), Grant::whole(Role::WorkspaceOwner), true),
            (Grant::whole(Role::WorkspaceOwner), Grant::whole(Role::PrivacyAdmin), true),
            (Grant::whole(Role::WorkspaceMember), Grant::whole(Role::WorkspaceMember), true),
            (Grant::whole(Role::WorkspaceMember), Grant::whole(Role::SourceReadOnly), false),
            (Grant::whole(Role::SourceAdmin), Grant::whole(Role::WorkspaceOwner), false),
            (Grant::whole(Role::SourceAdmin), Grant::whole(Role::SourceReadOnly), true),
            (Grant::whole(Role::SourceAdmin), one(Role::SourceAdmin, "a"), true),
            (Grant::whole(Role::SourceReadOnly), Grant::whole(Role::SourceAdmin), false),
            (Grant::whole(Role::SourceAdmin), Grant::whole(Role::WarehouseReadOnly), false),
            (one(Role::SourceAdmin, "a"), one(Role::SourceAdmin, "a"), true),
            (one(Role::SourceAdmin, "a"), one(Role::SourceReadOnly, "b"), false),
            (one(Role::SourceAdmin, "a"), Grant::whole(Role::SourceAdmin), false),
            (one(Role::SourceAdmin, "a"), labelled(Role::SourceAdmin), false),
            (labelled(Role::SourceAdmin), labelled(Role::SourceReadOnly), true),
        ] {
            assert_eq!(Grants(vec![has.clone()]).covers(&Grants(vec![gives.clone()])), may, "{has:?} gives {gives:?}");
        }
    }

    #[test]
    fn an_empty_list_of_labels_reaches_nothing() {
        let grants = Grants(vec![Grant { role: Role::SourceAdmin, held: vec![Held::Labels { labels: vec![] }] }]);
        assert!(!grants.reach(Area::Source, Level::Read).covers("a", &[]));
    }

    #[test]
    fn ids_of_roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(Role::with_id(role.id()), Some(role));
            assert_eq!(serde_json::to_value(role).expect("a text"), role.id());
        }
    }
}
