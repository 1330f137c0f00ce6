//! The balance sheet as `domicile balance --json` prints it, added up once more.

use serde_json::Value;

/// The sums over all rows of one region. `accepted` counts an event each time that it was taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Sheet {
    pub accepted: u64,
    pub duplicate: u64,
    pub kept: u64,
}

impl Sheet {
    /// One region's sheet of a run in which every event was good and the archive has caught up.
    ///
    /// # Errors
    /// A row that does not add up or says so itself, a row with invalid, blocked or filtered events, or with an event that the
    /// archive still waits for; sums that are not those of the rows; events that are not decided yet.
    pub fn of(balance: &Value, region: &str) -> Result<Self, String> {
        let sheet = &balance[region];
        let at = |why: String| format!("{region}: {why}");
        let mut sum = Self { accepted: 0, duplicate: 0, kept: 0 };
        for row in sheet["rows"].as_array().ok_or_else(|| at("no rows".to_owned()))? {
            let row = Self::of_row(row).map_err(at)?;
            sum.accepted += row.accepted;
            sum.duplicate += row.duplicate;
            sum.kept += row.kept;
        }
        if sheet["holds"] != true || sheet["undecided"] != 0 {
            return Err(at(format!("holds: {}, undecided: {}", sheet["holds"], sheet["undecided"])));
        }
        match Self::of_row(&sheet["total"]).map_err(at) {
            // Nothing was ever accepted: then there is no consumer in the sums either.
            Err(_) if sum.accepted == 0 => Ok(sum),
            Ok(total) if total == sum => Ok(sum),
            Ok(total) => Err(at(format!("the rows add up to {sum:?}, the total is {total:?}"))),
            Err(why) => Err(why),
        }
    }

    fn of_row(row: &Value) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}: {row}");
        let count = |of: &Value, name: &str| of[name].as_u64().ok_or_else(|| wrong(&format!("no {name}")));
        let sum = |of: &Value, names: &[&str]| names.iter().map(|name| count(of, name)).sum::<Result<u64, String>>();
        let (accepted, duplicate, kept) = (count(row, "accepted")?, count(row, "duplicate")?, count(row, "kept")?);
        if row["holds"] != true {
            return Err(wrong("does not hold"));
        }
        if sum(row, &["invalid", "blocked", "filtered"])? != 0 || accepted != duplicate + kept {
            return Err(wrong("accepted is not duplicate and kept"));
        }
        let archive = row["consumers"].as_array().into_iter().flatten().find(|consumer| consumer["name"] == "archive");
        let archive = archive.ok_or_else(|| wrong("no archive"))?;
        if count(archive, "delivered")? != kept || sum(archive, &["before", "off", "waiting", "dead"])? != 0 {
            return Err(wrong("the archive has not all that was kept"));
        }
        Ok(Self { accepted, duplicate, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(accepted: u64, duplicate: u64, kept: u64) -> Value {
        json!({
            "accepted": accepted, "duplicate": duplicate, "kept": kept, "invalid": 0, "blocked": 0, "filtered": 0, "holds": true,
            "consumers": [{ "name": "archive", "before": 0, "off": 0, "delivered": kept, "waiting": 0, "dead": 0 }],
        })
    }

    fn good() -> Value {
        json!({ "us-west": { "holds": true, "undecided": 0, "rows": [row(5, 2, 3), row(4, 0, 4)], "total": row(9, 2, 7) } })
    }

    #[test]
    fn rows_that_add_up_give_their_sums() {
        assert_eq!(Sheet::of(&good(), "us-west"), Ok(Sheet { accepted: 9, duplicate: 2, kept: 7 }));
        let empty = json!({ "eu-west": { "holds": true, "undecided": 0, "rows": [], "total": { "accepted": 0 } } });
        assert_eq!(Sheet::of(&empty, "eu-west"), Ok(Sheet { accepted: 0, duplicate: 0, kept: 0 }));
    }

    #[test]
    fn whatever_does_not_add_up_is_found() {
        for (at, value) in [
            ("/us-west/rows/0/kept", json!(2)),
            ("/us-west/rows/0/holds", json!(false)),
            ("/us-west/rows/0/duplicate", json!(null)),
            ("/us-west/rows/1/invalid", json!(1)),
            ("/us-west/rows/1/consumers/0/delivered", json!(3)),
            ("/us-west/rows/1/consumers/0/waiting", json!(1)),
            ("/us-west/rows/1/consumers", json!([])),
            ("/us-west/total/accepted", json!(8)),
            ("/us-west/holds", json!(false)),
            ("/us-west/undecided", json!(1)),
            ("/us-west/rows", json!(null)),
        ] {
            let mut sheet = good();
            *sheet.pointer_mut(at).unwrap() = value;
            assert!(Sheet::of(&sheet, "us-west").is_err(), "{at}");
        }
    }
}
