//! The table of operations: everything that the API can be asked, each in one row.
//!
//! From a row come the route, the check of the request, the check of the caller's roles, the entry in the OpenAPI
//! document and the line in the table of roles. There is no route without a row.

use super::ask::{Ask, BODY_BYTES_MAX};
use super::schema::{Field, Object, Schema, any_text, may, need, text};
use crate::answer::ApiError;
use crate::cell::Cell;
use axum::response::Response;
use domicile_control::{Area, Change, Level, View};
use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// One thing that the API can be asked.
pub(crate) struct Operation {
    /// Segment's name of it where Segment has it: `listSources`.
    pub id: &'static str,
    pub verb: Verb,
    /// `/sources/{sourceId}`.
    pub path: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// All of these.
    pub needs: &'static [Needs],
    pub query: &'static [Field],
    /// Takes `pagination[count]` and `pagination[cursor]`.
    pub paged: bool,
    /// `None`: takes none, and `{}` counts as none.
    pub body: Option<&'static Object>,
    /// Bytes of a body.
    pub body_bytes_max: usize,
    /// Whether it is for a version of what it changes, when the request names one by `If-Match`.
    pub guarded: bool,
    /// A limit of its own, beside that of the token.
    pub per_minute: Option<u32>,
    pub answer: Answered,
    pub run: Run,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// As OpenAPI writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// What role an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Any token of the workspace.
    Token,
    Owner,
    /// A role of that area and level, for what is meant.
    Role(Area, Level, Of),
    /// The one who runs the cell, and no workspace's token.
    Operator,
    /// What a workspace's token needs; who runs the cell may ask it too, of all workspaces.
    OrOperator(&'static Needs),
}

/// What a role must be held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Everything of its kind, those that come later too.
    All,
    /// Any one: the handler shows of a list what the caller may see.
    Any,
    /// The one that this parameter of the path names.
    One(&'static str),
    /// The source of the destination that this parameter of the path names.
    Destination(&'static str),
    /// The source that this field of the body names.
    BodySource(&'static str),
}

/// The shape of a good answer.
pub(crate) enum Answered {
    /// 200 with `{"data": …}` of this shape.
    Data(&'static Object),
    /// 201.
    Created(&'static Object),
    /// What Segment answers to deletes: `{"data": {"status": "SUCCESS"}}`.
    Success,
    /// `text/event-stream`.
    Events,
    /// This very document.
    Document,
}

static STATUS: Object = Object { name: "Success", fields: &[need("status", Schema::OneOf(&["SUCCESS"]))] };

impl Answered {
    pub fn status(&self) -> StatusCode {
        if matches!(self, Self::Created(_)) { StatusCode::CREATED } else { StatusCode::OK }
    }

    pub fn data(&self) -> Option<&'static Object> {
        match self {
            Self::Data(object) | Self::Created(object) => Some(object),
            Self::Success => Some(&STATUS),
            Self::Events | Self::Document => None,
        }
    }
}

/// How an operation is done.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Reads: nothing changes.
    View(ViewFn),
    /// One transaction: all of it is done, or nothing.
    Change(ChangeFn),
    /// One transaction that is answered and then rolled back: what a change would do.
    Rehearsal(ChangeFn),
    /// Waits for something else than the store: logs, a partner, a stream.
    Wait(WaitFn),
}

pub(crate) type ViewFn = fn(&View<'_>, &Cell, &Ask) -> Result<Answer, ApiError>;
pub(crate) type ChangeFn = fn(&mut Change<'_>, &Cell, &Ask) -> Result<Answer, ApiError>;
pub(crate) type WaitFn = fn(Arc<Cell>, Ask) -> BoxFuture<'static, Result<Response, ApiError>>;

/// Operations that stand under one heading.
pub(crate) struct Group {
    pub name: &'static str,
    pub operations: &'static [Operation],
}

/// A good answer's data, and the version of the object that it shows.
pub(crate) struct Answer {
    pub data: Value,
    /// The answer's `ETag`; `If-Match` takes it back.
    pub version: Option<u64>,
}

impl Answer {
    pub fn of(data: Value) -> Self {
        Self { data, version: None }
    }

    /// `{NAME: value}` of an object in this version.
    pub fn object(name: &str, value: Value, version: u64) -> Self {
        let mut data = Map::new();
        data.insert(name.to_owned(), value);
        Self { data: Value::Object(data), version: Some(version) }
    }

    /// As it is kept for a second try: data and version.
    pub fn kept(&self) -> Vec<u8> {
        json!({ "data": self.data, "version": self.version }).to_string().into_bytes()
    }

    /// What [`Self::kept`] made.
    pub fn from_kept(kept: &[u8]) -> Result<Self, ApiError> {
        let mut kept: Value = serde_json::from_slice(kept).map_err(|_| ApiError::internal())?;
        Ok(Self { data: kept["data"].take(), version: kept["version"].as_u64() })
    }

    pub fn success() -> Self {
        Self::of(json!({ "status": "SUCCESS" }))
    }
}

impl From<Value> for Answer {
    fn from(data: Value) -> Self {
        Self::of(data)
    }
}

/// The two parameters of a page of a list.
pub(crate) const PAGE_FIELDS: &[Field] = &[
    may("count", Schema::Count { min: 1, max: 1_000 }).about("Entries of the page; 200 when it is not given."),
    may("cursor", text(500)).about("From the `next` or `previous` of another page."),
];

/// What `data.pagination` says.
pub(crate) static PAGINATION: Object = Object {
    name: "Pagination",
    fields: &[
        need("current", any_text(500)),
        may("next", Schema::Null(&text(500))).about("Null on the last page."),
        may("previous", Schema::Null(&text(500))).about("Null on the first page."),
        may("totalEntries", Schema::Count { min: 0, max: i64::MAX }),
    ],
};

/// The field of a list's answer.
pub(crate) const PAGINATED: Field = need("pagination", Schema::Object(&PAGINATION));

/// A `GET`. The builders below say the rest of the row.
pub(crate) const fn get(id: &'static str, path: &'static str, about: &'static str) -> Operation {
    Operation::new(Verb::Get, id, path, about)
}

pub(crate) const fn post(id: &'static str, path: &'static str, about: &'static str) -> Operation {
    Operation::new(Verb::Post, id, path, about)
}

pub(crate) const fn put(id: &'static str, path: &'static str, about: &'static str) -> Operation {
    Operation::new(Verb::Put, id, path, about)
}

pub(crate) const fn patch(id: &'static str, path: &'static str, about: &'static str) -> Operation {
    Operation::new(Verb::Patch, id, path, about)
}

pub(crate) const fn delete(id: &'static str, path: &'static str, about: &'static str) -> Operation {
    Operation::new(Verb::Delete, id, path, about)
}

impl Operation {
    /// A row that needs an owner and answers `SUCCESS`, until the builders say otherwise.
    const fn new(verb: Verb, id: &'static str, path: &'static str, about: &'static str) -> Self {
        Self {
            id,
            verb,
            path,
            about,
            needs: &[Needs::Owner],
            query: &[],
            paged: false,
            body: None,
            body_bytes_max: BODY_BYTES_MAX,
            guarded: false,
            per_minute: None,
            answer: Answered::Success,
            run: Run::View(|_, _, _| Err(ApiError::internal())),
        }
    }

    pub const fn needs(self, needs: &'static [Needs]) -> Self {
        Self { needs, ..self }
    }

    pub const fn query(self, query: &'static [Field]) -> Self {
        Self { query, ..self }
    }

    pub const fn paged(self) -> Self {
        Self { paged: true, ..self }
    }

    pub const fn body(self, body: &'static Object) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Takes a larger body than most.
    pub const fn body_bytes_max(self, bytes: usize) -> Self {
        Self { body_bytes_max: bytes, ..self }
    }

    /// Takes `If-Match`: its handler passes the version on.
    pub const fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    /// At most so many times a minute, of one token.
    pub const fn per_minute(self, times: u32) -> Self {
        Self { per_minute: Some(times), ..self }
    }

    /// Answers 200 with `{"data": …}` of this shape.
    pub const fn data(self, data: &'static Object) -> Self {
        Self { answer: Answered::Data(data), ..self }
    }

    /// Answers 201 with `{"data": …}` of this shape.
    pub const fn created(self, data: &'static Object) -> Self {
        Self { answer: Answered::Created(data), ..self }
    }

    pub const fn answer(self, answer: Answered) -> Self {
        Self { answer, ..self }
    }

    pub const fn view(self, run: ViewFn) -> Self {
        Self { run: Run::View(run), ..self }
    }

    pub const fn change(self, run: ChangeFn) -> Self {
        Self { run: Run::Change(run), ..self }
    }

    pub const fn rehearse(self, run: ChangeFn) -> Self {
        Self { run: Run::Rehearsal(run), ..self }
    }

    pub const fn wait(self, run: WaitFn) -> Self {
        Self { run: Run::Wait(run), ..self }
    }

    /// The names of the parameters in its path, in their order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
