//! Values, rows and errors, between this crate's form and PostgreSQL's.

use crate::db::{DbError, Engine, Fault, Row, Value};
use bytes::BytesMut;
use std::error::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Fails = Box<dyn Error + Sync + Send>;

/// A value on its way to the server, which has said what type it wants.
#[derive(Debug)]
pub(super) struct Wire<'a>(pub(super) &'a Value);

impl ToSql for Wire<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Fails> {
        match (self.0, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(int), &Type::INT8) => int.to_sql(ty, out),
            (Value::Int(int), &Type::INT4) => i32::try_from(*int)?.to_sql(ty, out),
            (Value::Text(text), ty) if <&str as ToSql>::accepts(ty) => text.as_str().to_sql(ty, out),
            (Value::Bytes(bytes), &Type::BYTEA) => bytes.as_slice().to_sql(ty, out),
            _ => Err(format!("a value of another type where the statement takes {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Fails> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Int),
            Type::INT4 => i32::from_sql(ty, raw).map(|int| Self::Int(int.into())),
            Type::BOOL => bool::from_sql(ty, raw).map(|yes| Self::Int(yes.into())),
            Type::BYTEA => Ok(Self::Bytes(raw.to_vec())),
            _ if <&str as FromSql>::accepts(ty) => String::from_sql(ty, raw).map(Self::Text),
            _ => Err(format!("a column of type {ty}").into()),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Fails> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

pub(super) fn read(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    (0..row.len()).map(|column| row.try_get(column)).collect::<Result<_, _>>().map(Row).map_err(error)
}

/// The server's message and code, and never its detail, which repeats rows.
pub(super) fn error(error: tokio_postgres::Error) -> DbError {
    let Some(told) = error.as_db_error() else {
        let lost = error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>());
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        return DbError::new(
            Engine::Postgres,
            if lost { Fault::Passes } else { Fault::Lasts },
            format!("{error}{cause}"),
        );
    };
    let code = told.code();
    // Classes: 08 connection, 40 rolled back by the server, 53 out of room, 57 stopped by an operator or a time-out.
    let class_passes = ["08", "40", "53", "57"].iter().any(|class| code.code().starts_with(class));
    let passes = class_passes
        || [&SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, &SqlState::READ_ONLY_SQL_TRANSACTION].contains(&code);
    let fault = match passes {
        _ if *code == SqlState::LOCK_NOT_AVAILABLE => Fault::Busy,
        true => Fault::Passes,
        false => Fault::Lasts,
    };
    DbError::new(Engine::Postgres, fault, format!("{} ({})", told.message(), code.code()))
}
