"""Prints the template as CloudFormation sees it: what AWS::Serverless stands for written out, offline.

usage: transform.py template.yaml
"""

import json
import os
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """Every role of the template is written out; one that names a managed policy would need an account to look it up."""

    def load(self):
        return {}


template = yaml_parse(Path(sys.argv[1]).read_text(encoding="utf-8"))
for resource in template["Resources"].values():
    # Code that is not uploaded yet: any bucket will do.
    if "CodeUri" in resource.get("Properties", {}):
        resource["Properties"]["CodeUri"] = {"Bucket": "code", "Key": "bootstrap.zip"}
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout, indent=1)
