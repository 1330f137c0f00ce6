//! One thing of each kind in the demo's workspace, and for each operation a request that fits it.

use crate::bed::{Bed, track};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The things' ids, by the name of the parameter that stands for them in a path.
pub struct Things {
    ids: BTreeMap<&'static str, String>,
}

impl Things {
    /// What every secret that the things have holds.
    pub const SECRET: &'static str = "s3cr3t-of-a-partner";

    pub async fn make(bed: &Bed) -> Self {
        let mut things = Self { ids: BTreeMap::new() };
        things.ids.insert("sourceId", bed.source_id("web"));
        things.ids.insert("workspaceId", bed.demo.id.to_string());
        let web = bed.demo.sources.iter().find(|source| source.slug == "web").expect("a source");
        things.ids.insert("writeKey", web.write_key.clone());
        things.ids.insert("messageId", "m1".to_owned());
        things.ids.insert("regionId", "ch-north".to_owned());
        things.ids.insert("sourceMetadataId", "website".to_owned());
        things.ids.insert("destinationMetadataId", "webhook".to_owned());
        things.ids.insert("warehouseMetadataId", "postgres".to_owned());
        bed.accept("web", &[track("m1", "Order Completed")]).await;
        bed.decided().await;
        // A source keeps one key: the walk may delete the other.
        things.made(bed, "createWriteKeyForSource", "/sources/{sourceId}/writekey", "").await;
        things.ids.insert("key", "team".to_owned());
        things.ids.insert("value", "growth".to_owned());
        things.made(bed, "createLabel", "/labels", "").await;
        for (name, operation, path, at) in [
            ("destinationId", "createDestination", "/destinations", "/destination/id"),
            (
                "id",
                "createDestinationSubscription",
                "/destinations/{destinationId}/subscriptions",
                "/destinationSubscription/id",
            ),
            ("filterId", "createFilterForDestination", "/destination/{destinationId}/filters", "/filter/id"),
            ("transformationId", "createTransformation", "/transformations", "/transformation/id"),
            ("trackingPlanId", "createTrackingPlan", "/tracking-plans", "/trackingPlan/id"),
            ("functionId", "createFunction", "/functions", "/function/id"),
            ("warehouseId", "createWarehouse", "/warehouses", "/warehouse/id"),
            ("regulateId", "createWorkspaceRegulation", "/regulations", "/regulateId"),
            ("transferId", "createTransfer", "/transfers", "/transfer/id"),
        ] {
            let id = things.made(bed, operation, path, at).await;
            things.ids.insert(name, id);
        }
        let second = things.made(bed, "createDestination", "/destinations", "/destination/id").await;
        things.ids.insert("secondDestinationId", second);
        let versions = bed.get(&format!("/functions/{}/versions", things.ids["functionId"])).await;
        let version = versions.body.pointer("/data/versions/0/id").and_then(Value::as_str);
        things.ids.insert("versionId", version.expect("a version").to_owned());
        let instance = things.made(
            bed,
            "createInsertFunctionInstance",
            "/insert-function-instances",
            "/insertFunctionInstance/id",
        );
        let instance = instance.await;
        things.ids.insert("instanceId", instance);
        let users = bed.get("/users").await;
        let owner = users.body.pointer("/data/users/0/id").and_then(Value::as_str);
        things.ids.insert("userId", owner.expect("the owner").to_owned());
        let group = things.made(bed, "createUserGroup", "/groups", "/userGroup/id").await;
        things.ids.insert("userGroupId", group);
        let token = things.made(bed, "createToken", "/tokens", "/token/id").await;
        things.ids.insert("tokenId", token);
        // What only the operator may ask of: no owner gets that far.
        for name in ["accountId", "plan", "providerId"] {
            things.ids.insert(name, "nothing".to_owned());
        }
        things
    }

    /// Makes one thing; gives what stands `at` in the answer.
    async fn made(&self, bed: &Bed, operation: &str, path: &str, at: &str) -> String {
        let mut path = path.to_owned();
        for (name, id) in &self.ids {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        let answer = bed.ask("POST", &path, self.body(operation)).await;
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::CREATED), "{operation}: {}", answer.body);
        let found = answer.body["data"].pointer(at).and_then(Value::as_str);
        found.map(str::to_owned).unwrap_or_default()
    }

    /// The id that stands for a parameter in this path.
    pub fn id(&self, path: &str, name: &str) -> String {
        let found = self.ids.get(name);
        found.cloned().unwrap_or_else(|| panic!("{path}: nothing is made for {{{name}}}"))
    }

    /// Paths whose ids belong to no workspace.
    pub fn is_public(path: &str) -> bool {
        path.starts_with("/catalog") || path.starts_with("/regions")
    }

    /// `POST`s that only look.
    pub fn changes_nothing(operation: &str) -> bool {
        matches!(
            operation,
            "previewDestinationFilter" | "createValidationInWarehouse" | "planConfiguration" | "createPolicyCheck"
        )
    }

    /// What the one token of the walk can't do, because it did the first part itself.
    pub fn takes_two(operation: &str) -> bool {
        operation == "approveTransfer"
    }

    /// The query without which a look is refused.
    pub fn query(&self, operation: &str) -> String {
        let source = &self.ids["sourceId"];
        let destination = &self.ids["destinationId"];
        match operation {
            "removeRulesFromTrackingPlan" => "?rules[0][type]=TRACK&rules[0][version]=1".to_owned(),
            "removeSourceFromTrackingPlan" => format!("?sourceId={source}"),
            "deleteUsers" => "?userIds=nobody".to_owned(),
            "deleteInvites" | "removeUsersFromUserGroup" => "?emails=new@acme.example".to_owned(),
            "getEventsVolumeFromWorkspace" => format!("?{}", self.window()),
            "listDeliveryMetricsSummaryFromDestination" => String::new(),
            name if name.starts_with("getIngress") || name == "getFilteredAtSourceMetricsFromDeliveryOverview" => {
                format!("?sourceId={source}&{}", self.window())
            }
            name if name.ends_with("MetricsFromDeliveryOverview") => {
                format!("?sourceId={source}&destinationConfigId={destination}&{}", self.window())
            }
            name if name.starts_with("getDaily") => format!("?period={}", &self.window()["startTime=".len()..][..10]),
            _ => String::new(),
        }
    }

    /// So many days after today, by the bed's clock.
    pub fn day(days: i64) -> String {
        let now = domicile_world::World::real().clock.now();
        domicile_event::Stamp::of(now.plus(days * 86_400_000).0).as_str()[..10].to_owned()
    }

    /// The last hours, by the bed's clock.
    fn window(&self) -> String {
        let now = domicile_world::World::real().clock.now();
        let hour = |back: i64| {
            let at = now.plus(-back * 3_600_000);
            domicile_event::Stamp::of(at.0 - at.0.rem_euclid(3_600_000)).as_str().to_owned()
        };
        format!("startTime={}&endTime={}&granularity=HOUR", hour(3), hour(0))
    }

    /// A body that fits the operation; `None`: it takes none.
    pub fn body(&self, operation: &str) -> Option<Value> {
        let id = |name: &str| self.ids.get(name).cloned().unwrap_or_default();
        let secret = Self::SECRET;
        let rule =
            json!({ "type": "TRACK", "key": "Order Completed", "version": 1, "jsonSchema": { "type": "object" } });
        let label = json!({ "key": "team", "value": "growth" });
        Some(match operation {
            "createWorkspace" => json!({ "name": "Next", "slug": "next" }),
            "updateWorkspace" => json!({ "name": "Other" }),
            "createSource" => json!({ "slug": "next", "metadataId": "server" }),
            "updateSource" => json!({ "name": "Other" }),
            "updateWriteKeyOfSource" => json!({ "enabled": true }),
            "updateSchemaSettingsInSource" => json!({ "track": { "allowUnplannedEvents": false } }),
            "createLabel" => json!({ "label": label }),
            "addLabelsToSource" | "replaceLabelsInSource" => json!({ "labels": [label] }),
            "createDestination" => json!({
                "sourceId": id("sourceId"), "metadataId": "actions-amplitude", "enabled": false,
                "settings": { "apiKey": secret, "secretKey": secret },
            }),
            "updateDestination" => json!({ "name": "Other" }),
            "createDestinationSubscription" => json!({
                "name": "Log", "actionId": "logEvent", "trigger": "type = \"track\"", "enabled": true, "settings": {},
            }),
            "updateSubscriptionForDestination" => json!({ "input": { "name": "Other" } }),
            "createFilterForDestination" => json!({
                "sourceId": id("sourceId"), "if": "type = \"identify\"", "actions": [{ "type": "DROP" }],
                "title": "No identifies", "enabled": true,
            }),
            "updateFilterForDestination" => json!({ "title": "Other" }),
            "previewDestinationFilter" => json!({
                "filter": { "if": "all", "actions": [{ "type": "DROP" }] }, "payload": { "type": "track" },
            }),
            "createTransformation" => json!({
                "name": "Rename", "sourceId": id("sourceId"), "enabled": true, "if": "event = \"Order Completed\"",
                "newEventName": "Order Done",
            }),
            "updateTransformation" => json!({ "name": "Other" }),
            "createTrackingPlan" => json!({ "name": "Plan", "type": "LIVE" }),
            "updateTrackingPlan" => json!({ "description": "Other" }),
            "replaceRulesInTrackingPlan" | "updateRulesInTrackingPlan" => json!({ "rules": [rule] }),
            "addSourceToTrackingPlan" => json!({ "sourceId": id("sourceId") }),
            "createFunction" => json!({
                "code": "async function onTrack(event) { return event }", "displayName": "Keep",
                "resourceType": "INSERT_DESTINATION",
                "settings": [{
                    "name": "apiKey", "label": "Key", "description": "", "type": "STRING", "required": true,
                    "sensitive": true,
                }],
            }),
            "updateFunction" => json!({ "description": "Other" }),
            "restoreFunctionVersion" => json!({ "versionId": id("versionId") }),
            "createInsertFunctionInstance" => json!({
                "functionId": id("functionId"), "integrationId": id("destinationId"), "name": "Keep", "enabled": false,
                "settings": { "apiKey": secret },
            }),
            "updateInsertFunctionInstance" => json!({ "name": "Other", "settings": { "apiKey": secret } }),
            "createWarehouse" => json!({ "metadataId": "postgres", "name": "W", "settings": Self::postgres() }),
            "createValidationInWarehouse" => json!({ "metadataId": "postgres", "settings": Self::postgres() }),
            "updateWarehouse" => json!({ "name": "Other" }),
            "replaceAdvancedSyncScheduleForWarehouse" => json!({ "enabled": false }),
            "updateSelectiveSyncForWarehouse" => {
                json!({ "syncOverrides": [{ "sourceId": id("sourceId"), "collection": "tracks", "enabled": false }] })
            }
            "createWorkspaceRegulation" | "createSourceRegulation" => {
                json!({ "regulationType": "SUPPRESS_ONLY", "subjectType": "USER_ID", "subjectIds": ["u9"] })
            }
            "addPermissionsToUser"
            | "replacePermissionsForUser"
            | "addPermissionsToUserGroup"
            | "replacePermissionsForUserGroup" => {
                json!({ "permissions": [{
                    "roleId": "source-read-only", "resources": [{ "id": id("sourceId"), "type": "SOURCE" }],
                }] })
            }
            "createInvites" => json!({ "invites": [{ "email": "new@acme.example" }] }),
            "createUserGroup" | "updateUserGroup" => json!({ "name": "Growth" }),
            "addUsersToUserGroup" | "replaceUsersInUserGroup" => json!({ "emails": [] }),
            "createTransfer" => json!({
                "to": "US", "vendor": "actions-amplitude", "basis": "dpf", "expires": Self::day(30),
                "fields": { "deny": ["traits.email"], "truncateIp": true }, "reason": "product analytics",
            }),
            "createPolicyCheck" => json!({ "destinationId": id("destinationId"), "enabled": false }),
            "createToken" => json!({ "name": "script" }),
            "planConfiguration" | "applyConfiguration" => {
                json!({ "configuration": { "workspace": { "region": "ch-north" }, "sources": {} } })
            }
            _ => return None,
        })
    }

    /// The same, for a second thing of the kind: its name is another.
    pub fn fresh_body(&self, operation: &str) -> Option<Value> {
        let mut body = self.body(operation)?;
        match operation {
            "createLabel" => body["label"]["value"] = json!("other"),
            "createUserGroup" => body["name"] = json!("Other"),
            // One instance stands at each destination.
            "createInsertFunctionInstance" => body["integrationId"] = json!(self.ids["secondDestinationId"]),
            "createTransformation" => body["if"] = json!("event = \"Other\""),
            "createTrackingPlan" | "createWarehouse" => body["name"] = json!("Other"),
            "createFunction" => body["displayName"] = json!("Other"),
            _ => {}
        }
        Some(body)
    }

    fn postgres() -> Value {
        json!({
            "hostname": "127.0.0.1", "port": 1, "database": "d", "username": "u", "password": Self::SECRET,
            "country": "CH",
        })
    }
}
