import { Aws } from 'aws-cdk-lib';
import type { CfnLogGroup } from 'aws-cdk-lib/aws-logs';

import type { Settings } from './settings';

/** A statement as IAM reads it. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: string | string[];
  readonly Condition?: object;
}

/** No function reads all of the table, or around the conditions on keys. */
export const NO_SCAN_AND_NO_PARTIQL: Statement = {
  Sid: 'NoScanAndNoPartiQL',
  Effect: 'Deny',
  Action: ['dynamodb:Scan', 'dynamodb:PartiQL*'],
  Resource: '*',
};

/** X-Ray knows no resources. */
export const TRACES: Statement = {
  Sid: 'Traces',
  Effect: 'Allow',
  Action: ['xray:PutTelemetryRecords', 'xray:PutTraceSegments'],
  Resource: '*',
};

/** The identity that mails are sent from, and the set that says where bounces are reported. */
export function mail({ mailIdentity, mailConfigurationSet }: Settings): Statement {
  const ses = `arn:${Aws.PARTITION}:ses:${Aws.REGION}:${Aws.ACCOUNT_ID}`;
  const Resource = [`${ses}:identity/${mailIdentity}`];
  if (mailConfigurationSet !== undefined) Resource.push(`${ses}:configuration-set/${mailConfigurationSet}`);
  return { Sid: 'Mail', Effect: 'Allow', Action: ['ses:SendEmail', 'ses:SendRawEmail'], Resource };
}

export function logging(group: CfnLogGroup): Statement {
  return {
    Sid: 'Logs',
    Effect: 'Allow',
    Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    Resource: group.attrArn,
  };
}
