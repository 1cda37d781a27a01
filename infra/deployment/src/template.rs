//! A CloudFormation template as it would be deployed: parameters filled in, conditions decided, and what refers to a
//! resource turned into its name, `${Table}` or `${Table.Arn}`.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use crate::Outcome;

/// Where the stack would be; any account and region will do, as long as both templates are read for the same.
const PSEUDO: [(&str, &str); 6] = [
    ("AWS::AccountId", "111122223333"),
    ("AWS::Region", "us-east-1"),
    ("AWS::Partition", "aws"),
    ("AWS::URLSuffix", "amazonaws.com"),
    ("AWS::StackName", "OneTill"),
    ("AWS::StackId", "arn:aws:cloudformation:us-east-1:111122223333:stack/OneTill/0"),
];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    pub kind: String,
    pub properties: Value,
    /// `DeletionPolicy` and `UpdateReplacePolicy`; `Delete` by default.
    pub on_delete: String,
    pub on_replace: String,
}

/// The outputs of the stack, read as if they were a resource.
pub const OUTPUTS: &str = "Outputs";

/// By name. A copy shares what is not changed in it: thousands are made, each with one change.
pub type Resources = BTreeMap<String, Arc<Resource>>;

/// Reads a template for one choice of parameters.
///
/// # Errors
/// Names what is missing, or what this does not know how to read.
pub fn read(template: &Value, parameters: &BTreeMap<String, String>) -> Outcome<Resources> {
    let reader = Reader { template, parameters, names: names(template) };
    let mut resources = Resources::new();
    for (id, resource) in object(&template["Resources"], "Resources")? {
        if let Some(condition) = resource["Condition"].as_str()
            && !reader.condition(condition)?
        {
            continue;
        }
        let kind = resource["Type"].as_str().ok_or_else(|| format!("{id} has no type"))?.to_owned();
        // What a tool leaves behind for itself.
        if kind == "AWS::CDK::Metadata" {
            continue;
        }
        let properties = match resource.get("Properties") {
            Some(properties) => reader.value(properties).map_err(|e| format!("{id}: {e}"))?.unwrap_or_default(),
            None => Value::Object(Map::new()),
        };
        let policy = |name: &str| resource[name].as_str().unwrap_or("Delete").to_owned();
        let read = Resource {
            kind,
            properties,
            on_delete: policy("DeletionPolicy"),
            on_replace: policy("UpdateReplacePolicy"),
        };
        if resources.insert(reader.name(id), Arc::new(read)).is_some() {
            return Err(format!("two resources are called {}", reader.name(id)).into());
        }
    }
    if let Some(outputs) = template.get("Outputs") {
        resources.insert(OUTPUTS.to_owned(), Arc::new(reader.outputs(outputs)?));
    }
    Ok(resources)
}

/// The names of a template's resources: their logical ids, or, where CDK made those up, the path below the construct,
/// which the template has: `OneTill/Shop/ProductsFunction/Resource` is `ProductsFunction`.
fn names(template: &Value) -> BTreeMap<String, String> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    let named = resources.filter_map(|(id, resource)| {
        let path = resource["Metadata"]["aws:cdk:path"].as_str()?;
        let mut parts: Vec<_> = path.split('/').skip(2).collect();
        if parts.len() > 1 && matches!(parts.last(), Some(&("Resource" | "Default"))) {
            parts.pop();
        }
        Some((id.clone(), parts.join("/")))
    });
    named.collect()
}

struct Reader<'a> {
    template: &'a Value,
    parameters: &'a BTreeMap<String, String>,
    names: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn outputs(&self, outputs: &Value) -> Outcome<Resource> {
        let mut values = Map::new();
        for (name, output) in object(outputs, OUTPUTS)? {
            let condition = output["Condition"].as_str().map(|condition| self.condition(condition)).transpose()?;
            if condition != Some(false) {
                let value = json!({"Description": output["Description"], "Value": self.value(&output["Value"])?});
                values.insert(name.clone(), value);
            }
        }
        let policy = "Delete".to_owned();
        let kind = OUTPUTS.to_owned();
        Ok(Resource { kind, properties: values.into(), on_delete: policy.clone(), on_replace: policy })
    }

    fn name(&self, id: &str) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// `None` is `AWS::NoValue`.
    fn value(&self, value: &Value) -> Outcome<Option<Value>> {
        Ok(Some(match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Outcome<Vec<_>>>()?;
                items.into_iter().flatten().collect()
            }
            Value::Object(members) => match members.iter().next() {
                Some((function, argument))
                    if members.len() == 1 && (function == "Ref" || function.starts_with("Fn::")) =>
                {
                    return self.call(function, argument);
                }
                _ => {
                    let mut read = Map::new();
                    for (name, member) in members {
                        if let Some(member) = self.value(member)? {
                            read.insert(name.clone(), member);
                        }
                    }
                    Value::Object(read)
                }
            },
            plain => plain.clone(),
        }))
    }

    fn call(&self, function: &str, argument: &Value) -> Outcome<Option<Value>> {
        let text = match (function, argument) {
            ("Ref", Value::String(name)) if name == "AWS::NoValue" => return Ok(None),
            ("Ref", Value::String(name)) => return self.reference(name).map(Some),
            ("Fn::GetAtt", Value::Array(of)) => match of.as_slice() {
                [Value::String(id), Value::String(attribute)] => format!("${{{}.{attribute}}}", self.name(id)),
                _ => return Err(format!("Fn::GetAtt {argument}").into()),
            },
            ("Fn::Sub", Value::String(text)) => self.sub(text, &Map::new())?,
            ("Fn::Sub", Value::Array(of)) => match of.as_slice() {
                [Value::String(text), Value::Object(variables)] => self.sub(text, variables)?,
                _ => return Err(format!("Fn::Sub {argument}").into()),
            },
            ("Fn::Join", Value::Array(of)) => {
                let (separator, parts) = of.split_first().ok_or("Fn::Join of nothing")?;
                let parts = self.value(parts.first().ok_or("Fn::Join of nothing")?)?.unwrap_or_default();
                let parts = parts.as_array().ok_or("Fn::Join of no list")?.iter().map(text_of);
                parts.collect::<Outcome<Vec<_>>>()?.join(separator.as_str().unwrap_or_default())
            }
            ("Fn::If", Value::Array(of)) => match of.as_slice() {
                [Value::String(condition), then, otherwise] => {
                    return self.value(if self.condition(condition)? { then } else { otherwise });
                }
                _ => return Err(format!("Fn::If {argument}").into()),
            },
            ("Fn::Select", Value::Array(of)) => {
                let index: usize = text_of(&of[0])?.parse()?;
                let list = self.value(&of[1])?.unwrap_or_default();
                return Ok(list.get(index).cloned());
            }
            ("Fn::Split", Value::Array(of)) => {
                let (separator, whole) = (text_of(&of[0])?, self.value(&of[1])?.unwrap_or_default());
                return Ok(Some(text_of(&whole)?.split(&separator).map(Value::from).collect()));
            }
            _ => return Err(format!("{function} is not known here").into()),
        };
        Ok(Some(Value::String(text)))
    }

    fn reference(&self, name: &str) -> Outcome<Value> {
        if let Some((_, value)) = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name) {
            return Ok((*value).into());
        }
        let Some(parameter) = self.template["Parameters"].get(name) else {
            return Ok(format!("${{{}}}", self.name(name)).into());
        };
        let given = self.parameters.get(name).cloned();
        let default = || parameter.get("Default").map(text_of).transpose();
        let value = match given {
            Some(value) => value,
            None => default()?.ok_or_else(|| format!("the parameter {name} is not given"))?,
        };
        Ok(match parameter["Type"].as_str() {
            Some("CommaDelimitedList") => value.split(',').map(Value::from).collect(),
            _ => value.into(),
        })
    }

    fn sub(&self, text: &str, variables: &Map<String, Value>) -> Outcome<String> {
        let mut read = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or_else(|| format!("Fn::Sub {text}"))?;
            read.push_str(before);
            let value = match (variables.get(name), name.split_once('.')) {
                (Some(value), _) => self.value(value)?.unwrap_or_default(),
                (None, Some((id, attribute))) => format!("${{{}.{attribute}}}", self.name(id)).into(),
                (None, None) => self.reference(name)?,
            };
            read.push_str(&text_of(&value)?);
            rest = behind;
        }
        Ok(read + rest)
    }

    fn condition(&self, name: &str) -> Outcome<bool> {
        let condition = self.template["Conditions"].get(name);
        self.holds(condition.ok_or_else(|| format!("there is no condition {name}"))?)
    }

    fn holds(&self, condition: &Value) -> Outcome<bool> {
        let (function, argument) =
            object(condition, "a condition")?.iter().next().ok_or("a condition that says nothing")?;
        let all = || argument.as_array().into_iter().flatten().map(|c| self.holds(c)).collect::<Outcome<Vec<_>>>();
        match function.as_str() {
            "Fn::Equals" => Ok(self.value(&argument[0])? == self.value(&argument[1])?),
            "Fn::Not" => Ok(!self.holds(&argument[0])?),
            "Fn::And" => Ok(all()?.into_iter().all(|holds| holds)),
            "Fn::Or" => Ok(all()?.into_iter().any(|holds| holds)),
            "Condition" => self.condition(argument.as_str().unwrap_or_default()),
            other => Err(format!("{other} is not known here").into()),
        }
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Outcome<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{what} is no object").into())
}

/// Of something plain.
pub fn text_of(value: &Value) -> Outcome<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        other => Err(format!("{other} is no text").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        json!({
            "Parameters": {"Mode": {"Type": "String", "Default": "A"}, "Who": {"Type": "CommaDelimitedList"}},
            "Conditions": {"IsB": {"Fn::Equals": [{"Ref": "Mode"}, "B"]}, "IsA": {"Fn::Not": [{"Condition": "IsB"}]}},
            "Resources": {
                "Table": {"Type": "T", "DeletionPolicy": "Retain", "Properties": {
                    "Name": {"Fn::Sub": "${AWS::Region}-${Mode}"},
                    "Only": {"Fn::If": ["IsB", "b", {"Ref": "AWS::NoValue"}]},
                    "Key": {"Fn::GetAtt": ["KeyA1B2", "Arn"]},
                    "Who": {"Fn::Join": [";", {"Ref": "Who"}]},
                    "Index": {"Fn::Sub": ["${T}/${KeyA1B2.Arn}", {"T": {"Ref": "Table"}}]},
                }},
                "KeyA1B2": {"Type": "K", "Metadata": {"aws:cdk:path": "Stack/Shop/Key/Resource"}},
                "OnlyB": {"Type": "X", "Condition": "IsB"},
            },
        })
    }

    #[test]
    fn a_template_reads_as_it_would_be_deployed() {
        let parameters = BTreeMap::from([("Who".to_owned(), "ann,bob".to_owned())]);

        let resources = read(&template(), &parameters).unwrap();

        assert_eq!(resources.keys().collect::<Vec<_>>(), ["Key", "Table"]);
        let table = &resources["Table"];
        assert_eq!((table.on_delete.as_str(), table.on_replace.as_str()), ("Retain", "Delete"));
        let properties =
            json!({"Name": "us-east-1-A", "Key": "${Key.Arn}", "Who": "ann;bob", "Index": "${Table}/${Key.Arn}"});
        assert_eq!(table.properties, properties);
    }

    #[test]
    fn a_condition_brings_resources_and_values() {
        let given = [("Who", "ann"), ("Mode", "B")].map(|(name, value)| (name.to_owned(), value.to_owned()));

        let resources = read(&template(), &given.into()).unwrap();

        assert!(resources.contains_key("OnlyB"));
        assert_eq!(resources["Table"].properties["Only"], "b");
    }

    #[test]
    fn a_parameter_without_a_value_is_named() {
        let error = read(&template(), &BTreeMap::new()).unwrap_err();

        assert_eq!(error.to_string(), "Table: the parameter Who is not given");
    }
}
