//! Every operation of the OpenAPI document, whatever it is: who may ask it, what another workspace sees of it, what it
//! takes that nobody asked for. A new operation is in all of these tests by being in the table.

use crate::bed::{Answer, Bed};
use crate::things::Things;
use axum::body::Body;
use domicile_control::{Grant, Grants, Role};
use expect_test::expect_file;
use http::{StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One operation, as the document tells it.
pub struct Operation {
    pub id: String,
    pub verb: String,
    pub path: String,
    pub needs: Vec<String>,
    pub takes_body: bool,
}

/// All of them, in the document's order.
pub fn operations(bed: &Bed) -> Vec<Operation> {
    let document = domicile_api::openapi(&bed.cell);
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (verb, entry) in item.as_object().expect("an item") {
            let needs = entry["x-needs"].as_array().expect("needs");
            all.push(Operation {
                id: entry["operationId"].as_str().expect("an id").to_owned(),
                verb: verb.to_uppercase(),
                path: path.clone(),
                needs: needs.iter().map(|needs| needs.as_str().expect("a word").to_owned()).collect(),
                takes_body: entry.get("requestBody").is_some(),
            });
        }
    }
    all
}

impl Operation {
    fn is_open(&self) -> bool {
        self.id == "getOpenApi"
    }

    /// Streams have no end to wait for.
    fn is_stream(&self) -> bool {
        self.id == "streamEvents"
    }

    /// The path with every parameter replaced.
    fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => value(name),
            None => part.to_owned(),
        };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

#[test]
fn the_document_names_every_operation_once() {
    let bed = tokio::runtime::Runtime::new().expect("a runtime").block_on(async { Bed::new() });
    let all = operations(&bed);
    let ids: BTreeSet<_> = all.iter().map(|operation| &operation.id).collect();
    assert_eq!(ids.len(), all.len(), "two operations have one id");
    assert!(all.len() >= 100, "{}", all.len());
}

/// The columns of the table of roles.
fn columns() -> impl Iterator<Item = Role> {
    Role::ALL.into_iter()
}

/// Whether a role that is held for the whole workspace is enough, as the document says it.
fn is_enough(role: Role, needs: &[String]) -> bool {
    let grants = Grants(vec![Grant::whole(role)]);
    needs.iter().all(|needs| match needs.strip_suffix(" or operator").unwrap_or(needs) {
        "token" => true,
        "owner" => grants.is_owner(),
        "operator" => false,
        role => {
            let (area, level) = role.split_once(':').expect("area:level");
            let area = domicile_control::Area::ALL.into_iter().find(|a| a.word() == area).expect("an area");
            let level = domicile_control::Level::ALL.into_iter().find(|l| l.word() == level).expect("a level");
            grants.reach(area, level).is_whole()
        }
    })
}

fn table(operations: &[Operation]) -> String {
    let mut out = String::from(
        "# Who may do what\n\nEvery operation of the API, and the roles that are enough for it when they are held for the \
         whole workspace. A role that\nis held for some sources only reaches those. Written from the table of operations by \
         a test; another test asks every\noperation with every role.\n\n| operation | request |",
    );
    for role in columns() {
        out += &format!(" {} |", role.name());
    }
    out += " operator |\n| --- | --- |";
    out += &" --- |".repeat(columns().count() + 1);
    out.push('\n');
    for operation in operations.iter().filter(|operation| !operation.is_open()) {
        out += &format!("| `{}` | {} `{}` |", operation.id, operation.verb, operation.path);
        for role in columns() {
            out += if is_enough(role, &operation.needs) { " yes |" } else { " |" };
        }
        out += if operation.needs.iter().any(|needs| needs.ends_with("operator")) { " yes |\n" } else { " |\n" };
    }
    out
}

#[tokio::test]
async fn the_table_of_roles_in_the_docs_is_the_one_that_holds() {
    let bed = Bed::new();
    expect_file!["../../../docs/reference/roles.md"].assert_eq(&table(&operations(&bed)));
}

#[tokio::test]
async fn every_role_may_ask_what_the_table_says_and_nothing_else() {
    let bed = Bed::new();
    let operations = operations(&bed);
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/roles.md"));
    let text = text.expect("the table");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), operations.len() - 1);
    for (n, role) in columns().enumerate() {
        let token = bed.token(&Grants(vec![Grant::whole(role)]));
        for (operation, row) in operations.iter().filter(|operation| !operation.is_open()).zip(&rows) {
            if operation.is_stream() {
                continue;
            }
            let allowed = row[3 + n] == "yes";
            let answer = ask(&bed, operation, &operation.path_with(|_| "nothing".to_owned()), &token, None).await;
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{} as {}", operation.id, role.name());
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(!refused, allowed, "{} as {}: {} {}", operation.id, role.name(), answer.status, answer.body);
        }
    }
}

async fn ask(bed: &Bed, operation: &Operation, path: &str, token: &str, body: Option<&Value>) -> Answer {
    let request = bed.request(&operation.verb, path).header(header::CONTENT_TYPE, "application/json");
    let mut request = request.body(Body::from(body.map(Value::to_string).unwrap_or_default())).expect("a request");
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
    bed.send(request).await
}

#[tokio::test]
async fn whoever_has_no_token_of_this_cell_is_401_everywhere_and_changes_nothing() {
    let (bed, other) = (Bed::new(), Bed::new());
    let version = bed.cell.control.current().load().version;
    for operation in operations(&bed).iter().filter(|operation| !operation.is_open()) {
        let path = operation.path_with(|_| "nothing".to_owned());
        for token in ["", "nobody", &other.demo.token, &bed.demo.token[..bed.demo.token.len() - 1]] {
            let answer = ask(&bed, operation, &path, token, None).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{} with {token}", operation.id);
        }
    }
    assert_eq!(bed.cell.control.current().load().version, version);
}

#[tokio::test]
async fn a_token_of_one_workspace_finds_nothing_of_another() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    let (stranger, _) = bed.stranger();
    let version = bed.cell.control.current().load().version;
    for operation in operations(&bed) {
        if !operation.path.contains('{') || Things::is_public(&operation.path) || operation.is_stream() {
            continue;
        }
        let path = operation.path_with(|name| things.id(&operation.path, name)) + &things.query(&operation.id);
        let body = things.body(&operation.id);
        if operation.needs.iter().any(|needs| needs == "operator") {
            continue;
        }
        let own = ask(&bed, &operation, &path, &stranger, body.as_ref()).await;
        assert_eq!(own.status, StatusCode::NOT_FOUND, "{} {path}: {}", operation.id, own.body);
    }
    assert_eq!(bed.cell.control.current().load().version, version, "a stranger changed something");
}

#[tokio::test]
async fn what_is_asked_with_another_workspaces_ids_in_the_body_is_refused() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    let (stranger, _) = bed.stranger();
    for operation in operations(&bed) {
        let Some(body) = things.body(&operation.id) else { continue };
        let foreign = ["sourceId", "destinationId", "functionId", "integrationId", "trackingPlanId", "warehouseId"];
        if operation.path.contains('{') || !foreign.iter().any(|field| body.get(*field).is_some()) {
            continue;
        }
        let answer = ask(&bed, &operation, &operation.path, &stranger, Some(&body)).await;
        assert!(
            matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY),
            "{}: {} {}",
            operation.id,
            answer.status,
            answer.body
        );
    }
}

#[tokio::test]
async fn nobody_writes_what_a_request_has_no_field_for() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    let version = bed.cell.control.current().load().version;
    for operation in operations(&bed).iter().filter(|operation| operation.verb != "GET") {
        let path = operation.path_with(|name| things.id(&operation.path, name)) + &things.query(&operation.id);
        for field in ["role", "tenant_id", "jurisdiction", "workspaceId", "id", "version", "isAdmin", "__proto__"] {
            let mut body = things.body(&operation.id).unwrap_or_else(|| json!({}));
            body[field] = json!("eu-west");
            let answer = ask(&bed, operation, &path, &bed.demo.token, Some(&body)).await;
            let told = answer.body["errors"].to_string();
            // An operator's operations are not the owner's to ask.
            if answer.status == StatusCode::FORBIDDEN {
                continue;
            }
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{} {field}: {told}", operation.id);
            assert!(told.contains(&format!("\"{field}\"")), "{} {field}: {told}", operation.id);
        }
    }
    assert_eq!(bed.cell.control.current().load().version, version);
}

#[tokio::test]
async fn a_region_is_never_taken_but_where_a_workspace_is_made() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    for operation in operations(&bed).iter().filter(|operation| operation.verb != "GET") {
        if operation.id == "createWorkspace" {
            continue;
        }
        let path = operation.path_with(|name| things.id(&operation.path, name)) + &things.query(&operation.id);
        let mut body = things.body(&operation.id).unwrap_or_else(|| json!({}));
        body["region"] = json!("is-east");
        let answer = ask(&bed, operation, &path, &bed.demo.token, Some(&body)).await;
        assert!(answer.status.is_client_error(), "{}: {}", operation.id, answer.body);
    }
    let workspace = bed.get("/").await.body["data"]["workspace"].clone();
    assert_eq!(workspace["region"], "ch-north");
}

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    for operation in operations(&bed).iter().filter(|operation| operation.verb == "GET" && !operation.is_stream()) {
        let path = operation.path_with(|name| things.id(&operation.path, name));
        if operation.is_open() {
            continue;
        }
        let answer = bed.get(&format!("{path}{}", things.query(&operation.id))).await;
        let text = answer.body.to_string();
        assert!(!text.contains(Things::SECRET), "{}: {text}", operation.id);
        assert!(!text.contains(&bed.demo.token), "{}", operation.id);
    }
}

#[tokio::test]
async fn every_good_answer_has_the_shape_that_the_document_gives() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    let document = domicile_api::openapi(&bed.cell);
    for operation in operations(&bed).iter().filter(|operation| operation.verb == "GET" && !operation.is_stream()) {
        if operation.needs.iter().any(|needs| needs == "operator") || operation.is_open() {
            continue;
        }
        let path = operation.path_with(|name| things.id(&operation.path, name));
        let answer = bed.get(&format!("{path}{}", things.query(&operation.id))).await;
        assert_eq!(answer.status, StatusCode::OK, "{} {path}: {}", operation.id, answer.body);
        let schema =
            &document["paths"][&operation.path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let mut faults = Vec::new();
        fits(&document, schema, &answer.body, "", &mut faults);
        assert!(faults.is_empty(), "{}: {faults:?}\n{}", operation.id, answer.body);
    }
}

/// A second reading of the document, apart from the one that checks requests: what of `value` is not as `schema` says.
fn fits(document: &Value, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        return fits(document, &document["components"]["schemas"][name], value, place, faults);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fit = |schema: &Value| {
            let mut inner = Vec::new();
            fits(document, schema, value, place, &mut inner);
            inner.is_empty()
        };
        if !any.iter().any(fit) {
            faults.push(format!("{place}: {value} fits nothing of {schema}"));
        }
        return;
    }
    let good = match schema["type"].as_str() {
        None => true,
        Some("string") => value.as_str().is_some_and(|text| {
            let length = text.chars().count() as u64;
            schema["minLength"].as_u64().is_none_or(|min| length >= min)
                && schema["maxLength"].as_u64().is_none_or(|max| length <= max)
                && schema["enum"].as_array().is_none_or(|words| words.contains(value))
        }),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some(other) => panic!("{other}"),
    };
    if !good {
        faults.push(format!("{place}: {value} is no {schema}"));
    }
    for needed in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(needed).is_none() {
            faults.push(format!("{place}: {needed} is missing"));
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            fits(document, schema, value, &format!("{place}.{name}"), faults);
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        if schema["items"].is_object() {
            fits(document, &schema["items"], item, &format!("{place}.{n}"), faults);
        }
    }
}

#[tokio::test]
async fn a_request_with_an_idempotency_key_is_done_once() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    let token = bed.demo.token.clone();
    for operation in operations(&bed).iter().filter(|operation| operation.verb == "POST") {
        if Things::changes_nothing(&operation.id)
            || Things::takes_two(&operation.id)
            || operation.needs.iter().any(|needs| needs == "operator")
        {
            continue;
        }
        let path = operation.path_with(|name| things.id(&operation.path, name));
        let body = things.fresh_body(&operation.id);
        let send = |key: String, body: Option<Value>| {
            let request = bed
                .request("POST", &path)
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", key)
                .header(header::AUTHORIZATION, format!("Bearer {token}"));
            let mut request =
                request.body(Body::from(body.map(|b| b.to_string()).unwrap_or_default())).expect("a request");
            request.headers_mut().remove(header::AUTHORIZATION);
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
            bed.send(request)
        };
        let first = send(operation.id.clone(), body.clone()).await;
        assert!(first.status.is_success(), "{}: {} {}", operation.id, first.status, first.body);
        let version = bed.cell.control.current().load().version;
        let again = send(operation.id.clone(), body.clone()).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{}", operation.id);
        assert_eq!(bed.cell.control.current().load().version, version, "{} was done twice", operation.id);
        let mut other = body.unwrap_or_else(|| json!({}));
        other["description"] = json!("another request");
        let refused = send(operation.id.clone(), Some(other)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}: {}", operation.id, refused.body);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_json_object_is_refused_by_every_operation() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    let version = bed.cell.control.current().load().version;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let many = format!("{{{}}}", (0..50_000).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(","));
    let bodies: [(String, &[u16]); 7] = [
        (format!("{{\"name\":\"{}\"}}", "x".repeat(10 << 20)), &[413]),
        (deep, &[400]),
        (many, &[413, 422]),
        ("[1]".to_owned(), &[400]),
        ("{\"name\":".to_owned(), &[400]),
        ("\u{feff}{}".to_owned(), &[400]),
        ("nonsense".to_owned(), &[400]),
    ];
    for operation in operations(&bed).iter().filter(|operation| operation.takes_body) {
        let path = operation.path_with(|name| things.id(&operation.path, name));
        for (body, statuses) in &bodies {
            let request = bed.request(&operation.verb, &path).header(header::CONTENT_TYPE, "application/json");
            let answer = bed.send(request.body(Body::from(body.clone())).expect("a request")).await;
            if answer.status == StatusCode::FORBIDDEN {
                continue;
            }
            // A configuration may be as large as a workspace.
            if operation.id.ends_with("Configuration") && answer.status == StatusCode::UNPROCESSABLE_ENTITY {
                continue;
            }
            let shown: String = body.chars().take(20).collect();
            assert!(statuses.contains(&answer.status.as_u16()), "{} {shown}: {}", operation.id, answer.status);
        }
    }
    assert_eq!(bed.cell.control.current().load().version, version);
}

#[tokio::test]
async fn if_match_guards_a_change_or_is_refused_and_is_never_passed_over() {
    let bed = Bed::new();
    let things = Things::make(&bed).await;
    let document = domicile_api::openapi(&bed.cell);
    let version = bed.cell.control.current().load().version;
    let (mut guarded, mut unguarded) = (0, 0);
    for operation in operations(&bed).iter().filter(|operation| operation.verb != "GET") {
        if operation.needs.iter().any(|needs| needs == "operator") {
            continue;
        }
        let entry = &document["paths"][&operation.path][operation.verb.to_lowercase()];
        let parameters = entry["parameters"].as_array().expect("a list");
        let takes = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
        let path = operation.path_with(|name| things.id(&operation.path, name)) + &things.query(&operation.id);
        let request = bed.request(&operation.verb, &path).header(header::CONTENT_TYPE, "application/json");
        let body = things.body(&operation.id).map(|body| body.to_string()).unwrap_or_default();
        let request = request.header(header::IF_MATCH, "\"999999\"").body(Body::from(body)).expect("a request");
        let answer = bed.send(request).await;
        let wanted = if takes { StatusCode::PRECONDITION_FAILED } else { StatusCode::UNPROCESSABLE_ENTITY };
        assert_eq!(answer.status, wanted, "{}: {}", operation.id, answer.body);
        if takes { guarded += 1 } else { unguarded += 1 }
    }
    assert!(guarded >= 25 && unguarded >= 25, "{guarded} {unguarded}");
    assert_eq!(bed.cell.control.current().load().version, version);
}

#[tokio::test]
async fn a_token_that_ends_while_its_request_comes_in_changes_nothing() {
    let bed = Bed::new();
    let token = bed.token(&Grants::owner());
    let (more, body) = tokio::sync::mpsc::channel::<Result<axum::body::Bytes, std::io::Error>>(2);
    let stream = futures::stream::unfold(body, |mut body| async { Some((body.recv().await?, body)) });
    let mut request = bed
        .request("POST", "/sources")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(stream))
        .expect("a request");
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
    let asked = tokio::spawn({
        let router = bed.router.clone();
        async move { tower::ServiceExt::oneshot(router, request).await.expect("an answer").status() }
    });
    more.send(Ok("{\"slug\":\"late\",".into())).await.expect("takes");
    let ended = bed.get("/tokens").await;
    for id in ended.body["data"]["tokens"].as_array().expect("a list").iter().filter(|t| t["name"] == "walk") {
        let path = format!("/tokens/{}", id["id"].as_str().expect("an id"));
        assert_eq!(bed.ask("DELETE", &path, None).await.status, StatusCode::OK);
    }
    more.send(Ok("\"metadataId\":\"server\"}".into())).await.expect("takes");
    drop(more);
    assert_eq!(asked.await.expect("ends"), StatusCode::UNAUTHORIZED);
    assert!(!bed.get("/sources").await.body.to_string().contains("\"late\""));
}
