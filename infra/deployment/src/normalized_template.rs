//! What a template comes to, however it was written: the order of lists, the type of numbers, the wrapping of single
//! values and the two ways of writing an API are taken away, so that what is left can be compared and verified.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use crate::template::{Resource, Resources, text_of};

/// What the API is called here: an `HttpApi` of SAM has its routes in its body, and CDK has resources for them.
pub const API: &str = "HttpApi";
pub const STAGE: &str = "HttpApiStage";
pub const ROUTES: &str = "HttpApiRoutes";
pub const PERMISSIONS: &str = "FunctionPermissions";

/// Resources by name, in the one form. Beside those of the template, [`ROUTES`] has what function each route leads to, and
/// [`PERMISSIONS`] who may invoke which function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NormalizedTemplate(pub BTreeMap<String, Arc<Resource>>);

/// Where two templates may differ, as names in a path: a tool's own marks, where code lies before it is deployed, and what
/// an API is called in one way of writing it.
const NOT_COMPARED: [(&str, &str); 5] = [
    ("", "Tags"),
    ("AWS::Lambda::Function", "Code"),
    ("AWS::ApiGatewayV2::Api", "Name"),
    ("AWS::ApiGatewayV2::Api", "ProtocolType"),
    ("AWS::IAM::Role", "Description"),
];

/// Whether a property of a kind of resource says nothing about what is deployed.
pub fn is_compared(kind: &str, property: &str) -> bool {
    !NOT_COMPARED.iter().any(|(of, name)| (of.is_empty() || *of == kind) && *name == property)
}

impl NormalizedTemplate {
    pub fn of(resources: &Resources) -> Self {
        Self::default().changed(&Resources::new(), resources)
    }

    /// That of `now`, where this is that of `before`. What is the same object in both is not read again.
    pub fn changed(&self, before: &Resources, now: &Resources) -> Self {
        let mut template = BTreeMap::new();
        let (mut routes, mut permissions) = (Map::new(), Vec::new());
        for (name, resource) in now {
            match resource.kind.as_str() {
                "AWS::ApiGatewayV2::Route" => {
                    let (key, route) = route(&resource.properties, now);
                    routes.insert(key, route);
                }
                "AWS::ApiGatewayV2::Integration" => {}
                "AWS::Lambda::Permission" => permissions.push(permission(&resource.properties)),
                "AWS::ApiGatewayV2::Api" => {
                    routes.extend(routes_of_body(&resource.properties["Body"]));
                    template.insert(name.clone(), with(resource, api(&resource.properties)));
                }
                kind => {
                    let name_here = renamed(name);
                    let as_before = before.get(name).filter(|other| Arc::ptr_eq(other, resource));
                    let read = as_before.and_then(|_| self.0.get(&name_here).cloned());
                    let read = read.unwrap_or_else(|| {
                        let compared = |(property, value): (&String, &Value)| {
                            is_compared(kind, property).then(|| (property.clone(), member(property, value)))
                        };
                        let properties = match &resource.properties {
                            Value::Object(properties) => properties.iter().filter_map(compared).collect(),
                            other => normal(other),
                        };
                        with(resource, properties)
                    });
                    template.insert(name_here, read);
                }
            }
        }
        permissions.sort_by_key(Value::to_string);
        permissions.dedup();
        template.insert(ROUTES.to_owned(), Arc::new(made_up(Value::Object(routes))));
        template.insert(PERMISSIONS.to_owned(), Arc::new(made_up(Value::Array(permissions))));
        Self(template)
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Resource)> {
        self.0.iter().filter(move |(_, resource)| resource.kind == kind).map(|(name, r)| (name.as_str(), &**r))
    }

    /// The properties of a resource; `null` if it is not there.
    pub fn properties(&self, name: &str) -> &Value {
        self.0.get(name).map_or(&Value::Null, |resource| &resource.properties)
    }

    /// Every difference to another one, a line each.
    pub fn differences(&self, other: &Self, (ours, theirs): (&str, &str)) -> Vec<String> {
        let mut found = Vec::new();
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        for name in names {
            match (self.0.get(name), other.0.get(name)) {
                (Some(a), Some(b)) => {
                    for (what, a, b) in [
                        ("Type", &a.kind, &b.kind),
                        ("DeletionPolicy", &a.on_delete, &b.on_delete),
                        ("UpdateReplacePolicy", &a.on_replace, &b.on_replace),
                    ] {
                        if a != b {
                            found.push(format!("{name}: {what} is {a} in {ours}, {b} in {theirs}"));
                        }
                    }
                    let at = format!("{name}:");
                    compare(&a.properties, &b.properties, &at, (ours, theirs), &mut found);
                }
                (Some(_), None) => found.push(format!("{name}: is in {ours} only")),
                (None, _) => found.push(format!("{name}: is in {theirs} only")),
            }
        }
        found
    }
}

fn compare(a: &Value, b: &Value, at: &str, names: (&str, &str), found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = format!("{at} {key}");
                compare(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), &at, names, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            // Only what the other does not have; where that is one thing each, what of it differs.
            let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
                these.iter().filter(|item| !those.contains(item)).cloned().collect()
            };
            match (only(a, b).as_slice(), only(b, a).as_slice()) {
                ([], []) if a.len() == b.len() => {}
                ([one], [other]) => {
                    let sid = one["Sid"].as_str().map(|sid| format!(" {sid}")).unwrap_or_default();
                    compare(one, other, &format!("{at}{sid}"), names, found);
                }
                (ours, theirs) => {
                    let (ours, theirs) = (Value::from(ours), Value::from(theirs));
                    found.push(format!("{at} has {ours} in {} only, {theirs} in {} only", names.0, names.1));
                }
            }
        }
        _ if a != b => found.push(format!("{at} is {a} in {}, {b} in {}", names.0, names.1)),
        _ => {}
    }
}

/// The resource with other properties.
fn with(resource: &Resource, properties: Value) -> Arc<Resource> {
    let Resource { kind, on_delete, on_replace, .. } = resource;
    let (kind, on_delete, on_replace) = (kind.clone(), on_delete.clone(), on_replace.clone());
    Arc::new(Resource { kind, properties, on_delete, on_replace })
}

fn made_up(properties: Value) -> Resource {
    let policy = "Delete".to_owned();
    Resource { kind: String::new(), properties, on_delete: policy.clone(), on_replace: policy }
}

/// The stage has another name in each way of writing an API.
fn renamed(text: &str) -> String {
    text.replace("HttpApiApiGatewayDefaultStage", STAGE).replace("HttpApi/DefaultStage", STAGE)
}

/// Plain values as text, JSON in a text as what it says, lists in one order. Where one value may stand for a list of one,
/// it is a list.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), member(name, value))).collect(),
        Value::Array(items) => sorted(items.iter().map(normal).collect()),
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).map_or_else(|_| renamed(text).into(), |read: Value| normal(&read))
        }
        Value::String(text) => renamed(text).into(),
        Value::Null => Value::Null,
        plain => text_of(plain).map_or(Value::Null, Value::from),
    }
}

fn member(name: &str, value: &Value) -> Value {
    let value = normal(value);
    match name {
        "Action" | "Resource" => listed(value),
        "Condition" => match value {
            Value::Object(operators) => {
                let of = |keys: Value| match keys {
                    Value::Object(keys) => keys.into_iter().map(|(key, value)| (key, listed(value))).collect(),
                    other => other,
                };
                operators.into_iter().map(|(operator, keys)| (operator, of(keys))).collect()
            }
            other => other,
        },
        _ => value,
    }
}

fn listed(value: Value) -> Value {
    match value {
        Value::Array(items) => sorted(items),
        single => json!([single]),
    }
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

fn api(properties: &Value) -> Value {
    let cors = match &properties["Body"]["x-amazon-apigateway-cors"] {
        Value::Null => &properties["CorsConfiguration"],
        body => body,
    };
    let mut read = Map::new();
    for (name, value) in cors.as_object().into_iter().flatten() {
        let name: String = name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect();
        read.insert(name, normal(value));
    }
    let of_body = &properties["Body"]["servers"][0]["x-amazon-apigateway-endpoint-configuration"];
    let disabled = match &of_body["disableExecuteApiEndpoint"] {
        Value::Null => &properties["DisableExecuteApiEndpoint"],
        of_body => of_body,
    };
    json!({"Cors": read, "DisableExecuteApiEndpoint": normal(disabled)})
}

fn routes_of_body(body: &Value) -> Map<String, Value> {
    let mut routes = Map::new();
    for (path, methods) in body["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let integration = &operation["x-amazon-apigateway-integration"];
            let uri = integration["uri"].as_str().unwrap_or_default();
            let function = uri.split_once("/functions/").map_or("", |(_, rest)| rest).trim_end_matches("/invocations");
            let kind = integration["type"].as_str().unwrap_or_default().to_uppercase();
            let payload = normal(&integration["payloadFormatVersion"]);
            // How API Gateway itself calls Lambda, and nothing else will do.
            let method_of_call = integration["httpMethod"].as_str().unwrap_or_default();
            let to =
                json!({"Function": function, "Integration": format!("{kind} {method_of_call}"), "Payload": payload});
            routes.insert(format!("{} {path}", method.to_uppercase()), to);
        }
    }
    routes
}

fn route(route: &Value, resources: &Resources) -> (String, Value) {
    let target = route["Target"].as_str().unwrap_or_default();
    let integration = target.trim_start_matches("integrations/${").trim_end_matches('}');
    let integration = resources.get(integration).map_or(&Value::Null, |resource| &resource.properties);
    let function = integration["IntegrationUri"].as_str().unwrap_or_default();
    let kind = integration["IntegrationType"].as_str().unwrap_or_default();
    // Written only where it is not POST.
    let method = integration["IntegrationMethod"].as_str().unwrap_or("POST");
    let to = json!({
        "Function": function,
        "Integration": format!("{kind} {method}"),
        "Payload": normal(&integration["PayloadFormatVersion"]),
    });
    (route["RouteKey"].as_str().unwrap_or_default().to_owned(), to)
}

/// Who may invoke which function; of an API, whether only this one may.
fn permission(properties: &Value) -> Value {
    let function = properties["FunctionName"].as_str().unwrap_or_default();
    let function = function.trim_start_matches("${").trim_end_matches('}').trim_end_matches(".Arn");
    let source = properties["SourceArn"].as_str().unwrap_or_default();
    let of_api = format!("arn:aws:execute-api:us-east-1:111122223333:${{{API}}}/");
    let source = if source.starts_with(&of_api) { API } else { source };
    json!({
        "Function": function,
        "Principal": properties["Principal"],
        "Action": properties["Action"],
        "Source": source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_the_same() {
        let one = json!({"Threshold": "80", "On": true, "Statement": [{"Action": "a"}], "Body": "{\"b\": [2, 1]}"});
        let other = json!({"Threshold": 80, "On": "true", "Statement": [{"Action": ["a"]}], "Body": {"b": ["1", "2"]}});

        assert_eq!(normal(&one), normal(&other));
    }

    #[test]
    fn what_differs_is_told_with_where() {
        let of = |ttl: &str, extra: bool| {
            let mut resources = Resources::new();
            resources.insert(
                "Table".to_owned(),
                Arc::new(Resource { kind: "T".to_owned(), ..made_up(json!({"Ttl": {"At": ttl}})) }),
            );
            if extra {
                resources.insert("Key".to_owned(), Arc::new(made_up(json!({}))));
            }
            NormalizedTemplate::of(&resources)
        };

        let found = of("expiresAt", true).differences(&of("expires", false), ("SAM", "CDK"));

        let table = "Table: Ttl At is \"expiresAt\" in SAM, \"expires\" in CDK";
        assert_eq!(found, ["Key: is in SAM only", table]);
    }

    #[test]
    fn of_two_lists_only_what_differs_is_told() {
        let of = |statements: Value| {
            let role = Resource { kind: "R".to_owned(), ..made_up(json!({"Statement": statements})) };
            NormalizedTemplate::of(&BTreeMap::from([("Role".to_owned(), Arc::new(role))]))
        };
        let (read, write) = (json!({"Sid": "Read", "Action": "a"}), json!({"Sid": "Write", "Action": "b"}));
        let both = of(json!([read, write]));

        let changed = both.differences(&of(json!([{"Sid": "Read", "Action": "c"}, write])), ("SAM", "CDK"));
        let gone = both.differences(&of(json!([read])), ("SAM", "CDK"));

        assert_eq!(changed, [r#"Role: Statement Read Action is "a" in SAM, "c" in CDK"#]);
        assert_eq!(gone.len(), 1);
        assert!(
            gone[0].starts_with("Role: Statement has [{") && gone[0].ends_with("in SAM only, [] in CDK only"),
            "{gone:?}"
        );
    }

    #[test]
    fn both_ways_of_writing_an_api_have_the_same_routes() {
        let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${CartFunction.Arn}/invocations";
        let integration = json!({"uri": uri, "type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0"});
        let cors = json!({"allowOrigins": ["https://shop.example"]});
        let body = json!({"paths": {"/cart": {"get": {"x-amazon-apigateway-integration": integration}}},
            "x-amazon-apigateway-cors": cors});
        let resource = |kind: &str, properties| Arc::new(Resource { kind: kind.to_owned(), ..made_up(properties) });
        let sam = BTreeMap::from([("HttpApi".to_owned(), resource("AWS::ApiGatewayV2::Api", json!({"Body": body})))]);
        let cors = json!({"AllowOrigins": ["https://shop.example"]});
        let integration = json!({"IntegrationType": "AWS_PROXY", "IntegrationUri": "${CartFunction.Arn}", "PayloadFormatVersion": "2.0"});
        let route = json!({"RouteKey": "GET /cart", "Target": "integrations/${Cart}"});
        let cdk = BTreeMap::from([
            ("HttpApi".to_owned(), resource("AWS::ApiGatewayV2::Api", json!({"Name": "x", "CorsConfiguration": cors}))),
            ("Cart".to_owned(), resource("AWS::ApiGatewayV2::Integration", integration)),
            ("Route".to_owned(), resource("AWS::ApiGatewayV2::Route", route)),
        ]);

        assert_eq!(
            NormalizedTemplate::of(&sam).differences(&NormalizedTemplate::of(&cdk), ("SAM", "CDK")),
            Vec::<String>::new()
        );
    }
}
