//! Labels of the workspace, and those that sources carry. Roles can be held for them.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, Needs, Object, Of, Operation, Schema, any_text, delete, get, list, may, need, post, put, text, typed,
};
use domicile_control::{Area, Change, Label, LabelValue, Level};
use domicile_workspace::SourceId;
use serde_json::{Value, json};

const WORD: Schema = text(100);
pub(crate) static LABEL: Object = Object {
    name: "Label",
    fields: &[
        need("key", WORD).about("Letters, digits and hyphens, beginning with a letter."),
        need("value", WORD).about("Letters, digits and hyphens, beginning with a letter."),
        may("description", any_text(1_000)),
    ],
};
/// Labels that something carries.
pub(crate) const LABELS: Schema = Schema::List { of: &Schema::Object(&LABEL), min: 0, max: 50 };
static ONE: Object = Object { name: "OneLabel", fields: &[need("label", Schema::Object(&LABEL))] };
static MANY: Object = Object { name: "Labels", fields: &[need("labels", list(&Schema::Object(&LABEL), 1_000))] };
static CARRIED: Object = Object { name: "SourceLabels", fields: &[need("labels", LABELS)] };

/// Labels say what people with roles for them may see and change: only owners decide that.
const OWNER: &[Needs] = &[Needs::Owner];

pub(crate) static OPERATIONS: &[Operation] = &[
    get(
        "listLabels",
        "/labels",
        "The workspace's labels; `environment:dev` and `environment:prod` are always among them.",
    )
    .needs(&[Needs::Token])
    .data(&MANY)
    .view(|view, _, ask| {
        Ok(json!({ "labels": view.labels(ask.caller.workspace())?.iter().map(shown).collect::<Vec<_>>() }).into())
    }),
    post("createLabel", "/labels", "Makes a label. It can't be renamed. A workspace has at most five keys of its own.")
        .needs(OWNER)
        .body(&ONE)
        .per_minute(60)
        .created(&ONE)
        .change(create),
    delete("deleteLabel", "/labels/{key}/{value}", "Deletes a label that no source carries and no role is held for.")
        .needs(OWNER)
        .per_minute(60)
        .change(delete_one),
    get("listLabelsOfSource", "/sources/{sourceId}/labels", "The labels that a source carries.")
        .needs(&[Needs::Role(Area::Source, Level::Read, Of::One("sourceId"))])
        .data(&CARRIED)
        .view(|view, _, ask| {
            let source = view.source(ask.caller.workspace(), &source_of(ask))?;
            let labels = view.labels_of(ask.caller.workspace(), source.id.as_str())?;
            Ok(json!({ "labels": labels }).into())
        }),
    post(
        "addLabelsToSource",
        "/sources/{sourceId}/labels",
        "Gives a source labels of the workspace, beside those that it carries.",
    )
    .needs(OWNER)
    .body(&CARRIED)
    .data(&CARRIED)
    .change(|change, _, ask| {
        let labels = change.add_labels(ask.caller.workspace(), &source_of(ask), &labels_in(ask)?)?;
        Ok(json!({ "labels": labels }).into())
    }),
    put("replaceLabelsInSource", "/sources/{sourceId}/labels", "Gives a source these labels and no others.")
        .needs(OWNER)
        .body(&CARRIED)
        .data(&CARRIED)
        .change(|change, _, ask| {
            let labels = change.set_labels(ask.caller.workspace(), &source_of(ask), &labels_in(ask)?)?;
            Ok(json!({ "labels": labels }).into())
        }),
];

fn source_of(ask: &Ask) -> SourceId {
    SourceId::new(ask.id("sourceId"))
}

/// A description is the label's own: what is given here is passed over.
fn labels_in(ask: &Ask) -> Result<Vec<LabelValue>, ApiError> {
    let labels: Vec<Label> = typed(ask.field("labels").cloned().unwrap_or_default(), "labels")?;
    Ok(labels.into_iter().map(|label| LabelValue { key: label.key, value: label.value }).collect())
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let label: Label = typed(ask.field("label").cloned().unwrap_or_default(), "label")?;
    let made = change.create_label(ask.caller.workspace(), label)?;
    Ok(json!({ "label": shown(&made.value) }).into())
}

fn delete_one(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let label = LabelValue { key: ask.id("key").to_owned(), value: ask.id("value").to_owned() };
    change.delete_label(ask.caller.workspace(), &label)?;
    Ok(Answer::success())
}

fn shown(label: &Label) -> Value {
    let mut shown = json!({ "key": label.key, "value": label.value });
    if let Some(description) = &label.description {
        shown["description"] = json!(description);
    }
    shown
}
