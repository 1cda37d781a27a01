//! What a function's role allows, decided as IAM does it: a matching Deny wins, then a matching Allow, and what nothing
//! matches is refused. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::{Outcome, normalized_template::NormalizedTemplate};

/// Keys of a condition that are known here.
pub const LEADING_KEYS: &str = "dynamodb:LeadingKeys";
pub const VIA_SERVICE: &str = "kms:ViaService";

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub action: String,
    pub resource: String,
    pub context: BTreeMap<String, String>,
}

impl Request {
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned(), context: BTreeMap::new() }
    }

    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_owned(), value.to_owned());
        self
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)?;
        self.context.iter().try_for_each(|(key, value)| write!(f, ", {key} {value}"))
    }
}

/// The statements of one role.
#[derive(Debug)]
pub struct Policy {
    statements: Vec<Value>,
}

/// One permission of an Allow: an action, a resource and values of its condition, each possibly a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission(pub Request);

impl Policy {
    /// Of the role that a function runs under.
    ///
    /// # Errors
    /// It has none, or one that leaves statements to elsewhere.
    pub fn of_function(template: &NormalizedTemplate, function: &str) -> Outcome<Self> {
        let role = template.properties(function)["Role"].as_str().unwrap_or_default();
        let role = role.trim_start_matches("${").trim_end_matches(".Arn}");
        let properties = template.properties(role);
        if properties["ManagedPolicyArns"].as_array().is_some_and(|arns| !arns.is_empty()) {
            return Err(format!("{role} takes statements from managed policies, which nobody sees here").into());
        }
        for kind in ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"] {
            if let Some((name, _)) = template.of_kind(kind).next() {
                return Err(format!("{name} may add statements to any role: write them into the roles").into());
            }
        }
        let policies = properties["Policies"].as_array().ok_or_else(|| format!("{function} has no role"))?;
        let statements = policies.iter().flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array());
        let statements: Vec<_> = statements.flatten().cloned().collect();
        for inverse in ["NotAction", "NotResource"] {
            if statements.iter().any(|statement| statement.get(inverse).is_some()) {
                return Err(format!("{role} says {inverse}, which allows what nobody has named").into());
            }
        }
        Ok(Self { statements })
    }

    pub fn allows(&self, request: &Request) -> Outcome<bool> {
        let mut allowed = false;
        for statement in &self.statements {
            if matches(statement, request)? {
                match statement["Effect"].as_str() {
                    Some("Deny") => return Ok(false),
                    _ => allowed = true,
                }
            }
        }
        Ok(allowed)
    }

    /// Every permission, singly.
    pub fn permissions(&self) -> Vec<Permission> {
        let mut found = Vec::new();
        for statement in self.statements.iter().filter(|s| s["Effect"] == "Allow") {
            for (action, resource) in pairs(&statement["Action"], &statement["Resource"]) {
                let request = Request::new(action, resource);
                let conditions: Vec<_> = conditions(statement).collect();
                if conditions.is_empty() {
                    found.push(Permission(request.clone()));
                }
                for (_, key, values) in conditions {
                    found.extend(values.iter().map(|value| Permission(request.clone().with(key, value))));
                }
            }
        }
        found
    }
}

impl Permission {
    /// Whether it is what a request needs, and no wider: patterns are for what follows the first `#` of a partition key.
    pub fn is_just(&self, request: &Request) -> bool {
        let mut needed = request.clone();
        if let Some(key) = needed.context.get_mut(LEADING_KEYS).filter(|key| key.ends_with('#')) {
            key.push('*');
        }
        self.0 == needed
    }
}

fn matches(statement: &Value, request: &Request) -> Outcome<bool> {
    let acts = texts(&statement["Action"]).any(|action| fits(action, &request.action));
    let on = texts(&statement["Resource"]).any(|resource| fits(resource, &request.resource));
    if !acts || !on {
        return Ok(false);
    }
    for (operator, key, values) in conditions(statement) {
        if !matches!(operator, "ForAllValues:StringLike" | "StringEquals") {
            return Err(format!("{operator} is not known here").into());
        }
        // Where a request has no such value, ForAllValues holds; no request of ours is without.
        let given = request.context.get(key).ok_or_else(|| format!("{request} tells no {key}"))?;
        if !values.iter().any(|value| fits(value, given)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn conditions(statement: &Value) -> impl Iterator<Item = (&str, &str, Vec<&str>)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, values)| (operator.as_str(), key.as_str(), texts(values).collect()))
    })
}

fn pairs<'a>(actions: &'a Value, resources: &'a Value) -> impl Iterator<Item = (&'a str, &'a str)> {
    texts(actions).flat_map(|action| texts(resources).map(move |resource| (action, resource)))
}

pub fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().chain(value.as_str().map(|_| value)).filter_map(Value::as_str)
}

/// `*` stands for anything, also for nothing. Actions do not mind case; resources and keys here have one spelling.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy() -> Policy {
        let statements = json!([
            {"Effect": "Deny", "Action": ["dynamodb:Scan", "dynamodb:PartiQL*"], "Resource": ["*"]},
            {"Effect": "Allow", "Action": ["dynamodb:*Item"], "Resource": ["${Table.Arn}"],
             "Condition": {"ForAllValues:StringLike": {LEADING_KEYS: ["PROD#*", "CATALOG"]}}},
            {"Effect": "Allow", "Action": ["dynamodb:Scan", "dynamodb:Query"], "Resource": ["${Table.Arn}/index/*"]},
        ]);
        Policy { statements: statements.as_array().unwrap().clone() }
    }

    fn allows(action: &str, resource: &str, key: &str) -> bool {
        policy().allows(&Request::new(action, resource).with(LEADING_KEYS, key)).unwrap()
    }

    #[test]
    fn only_what_a_statement_allows_is_allowed() {
        assert!(allows("dynamodb:GetItem", "${Table.Arn}", "PROD#mug"));
        assert!(allows("dynamodb:GetItem", "${Table.Arn}", "CATALOG"));
        assert!(!allows("dynamodb:GetItem", "${Table.Arn}", "SESSION#1"));
        assert!(!allows("dynamodb:Query", "${Table.Arn}", "PROD#mug"));
        assert!(!allows("dynamodb:GetItem", "${Table.Arn}/index/due-index", "PROD#mug"));
        assert!(allows("dynamodb:Query", "${Table.Arn}/index/due-index", ""));
    }

    #[test]
    fn a_deny_goes_before_any_allow() {
        assert!(!allows("dynamodb:Scan", "${Table.Arn}/index/due-index", ""));
        assert!(!allows("dynamodb:PartiQLSelect", "${Table.Arn}", "PROD#mug"));
    }

    #[test]
    fn every_permission_is_listed_singly() {
        let permissions = policy().permissions();

        assert_eq!(permissions.len(), 4);
    }

    #[test]
    fn a_permission_is_for_just_one_request() {
        let on = |resource: &str| Request::new("dynamodb:Query", resource);
        let permission = Permission(on("${Table.Arn}").with(LEADING_KEYS, "PROD#*"));

        assert!(permission.is_just(&on("${Table.Arn}").with(LEADING_KEYS, "PROD#")));
        assert!(!permission.is_just(&on("${Table.Arn}").with(LEADING_KEYS, "USER#")));
        for wide in
            [on("${Table.Arn}").with(LEADING_KEYS, "*"), on("${Table.Arn}"), on("*").with(LEADING_KEYS, "PROD#*")]
        {
            assert!(!Permission(wide).is_just(&on("${Table.Arn}").with(LEADING_KEYS, "PROD#")));
        }
    }

    #[test]
    fn a_condition_that_is_not_known_is_no_condition_to_pass_over() {
        let statement =
            json!({"Effect": "Allow", "Action": ["a:b"], "Resource": ["*"], "Condition": {"Bool": {"x": ["true"]}}});

        assert!(matches(&statement, &Request::new("a:b", "c")).is_err());
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("a*c", "abc") && fits("a*c", "ac") && fits("*", "") && fits("a*b*c", "aXbYc"));
        assert!(!fits("a*c", "abd") && !fits("abc", "abcd") && !fits("a*b", "ab c") && !fits("a", ""));
    }
}
