//! Things that need no table of their own: what each kind is, how it is checked, and the rules between them.

mod filter;
mod function;
mod function_instance;
mod json_schema;
pub(crate) mod label;
mod probe;
pub(crate) mod regulation;
mod schema_settings;
mod subscription;
mod sync;
pub(crate) mod tracking_plan;
mod transformation;
pub(crate) mod warehouse;

pub use filter::{Filter, FilterAction, ready as filter_ready};
pub use function::{
    CODE_BYTES_MAX, Deployed, Function, FunctionChange, FunctionKind, FunctionSetting, FunctionVersion, NewFunction,
    SETTINGS_MAX, SettingKind,
};
pub use function_instance::{FunctionInstance, FunctionInstanceChange, NewFunctionInstance};
pub(crate) use label::BUILT_IN_LABELS;
pub use label::{Label, SourceLabels};
pub use probe::{Probe, Tried};
pub use regulation::{Regulation, RegulationType, SUBJECT_CHARS_MAX, SUBJECTS_MAX};
pub use schema_settings::{OnTrackViolation, OnTraitViolation, SchemaSettings, TrackRules, TraitRules};
pub use subscription::Subscription;
pub use sync::{CollectionSelection, SyncSchedule, SyncSelection, SyncTime};
pub use tracking_plan::{PlanKind, RULES_MAX, Rule, RuleChange, RuleKey, RuleKind, TrackingPlan};
pub use transformation::{DefinedProperty, HashProperties, PropertyRename, PropertyValue, Transformation};
pub use warehouse::{NewWarehouse, Warehouse, WarehouseChange};

use crate::{Change, ControlError};
use domicile_workspace::WorkspaceId;

/// Deletes what belongs to a destination that goes.
pub(crate) fn delete_of_destination(
    change: &mut Change<'_>,
    workspace: &WorkspaceId,
    id: &str,
) -> Result<(), ControlError> {
    change.delete_things_of::<Filter>(workspace, id)?;
    change.delete_things_of::<Subscription>(workspace, id)?;
    change.delete_things_of::<FunctionInstance>(workspace, id)?;
    change.unlink_all_of(workspace, id).map(drop)
}

/// Deletes what belongs to a source that goes, but for its destinations.
pub(crate) fn delete_of_source(change: &mut Change<'_>, workspace: &WorkspaceId, id: &str) -> Result<(), ControlError> {
    change.delete_things_of::<SchemaSettings>(workspace, id)?;
    change.delete_things_of::<FunctionInstance>(workspace, id)?;
    change.delete_transformations_of(workspace, id)?;
    change.unlink_all_of(workspace, id).map(drop)
}
