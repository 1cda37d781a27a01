import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

import { FUNCTIONS } from './function-names';
import type { FunctionName } from './function-names';
import type { Settings } from './settings';

/** Where each function logs, and the API who called. */
export type Logs = Readonly<Record<FunctionName | 'Api', CfnLogGroup>>;

export function addLogs(scope: Construct, settings: Settings, key: CfnKey): Logs {
  const groups = ([...FUNCTIONS, 'Api'] as const).map((name) => {
    const props = { retentionInDays: settings.logRetention, kmsKeyId: key.attrArn };
    return [name, new CfnLogGroup(scope, `${name}Logs`, props)] as const;
  });
  return Object.fromEntries(groups) as Record<FunctionName | 'Api', CfnLogGroup>;
}
