import { Aws } from 'aws-cdk-lib';
import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';

import type { Settings } from './settings';

/** A statement as IAM reads it. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | string[];
  readonly Resource: string | string[];
  readonly Condition?: object;
}

/** Nobody reads all of the table, or around the conditions on keys. */
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

/** Which streams there are is not asked of one of them. */
export const STREAMS: Statement = { Sid: 'Streams', Effect: 'Allow', Action: 'dynamodb:ListStreams', Resource: '*' };

/** What a transaction of writes can do. */
const IN_TRANSACTIONS = ['PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'];

/**
 * What is called of the table, and with which partition keys. A transaction is allowed by the actions in it; whether its
 * keys are looked at action by action or all together AWS does not say, so each of them gets the keys of all.
 */
export function rows(table: CfnTable, calls: Record<string, string[]>): Statement[] {
  const inTransactions = Object.entries(calls).filter(([action]) => IN_TRANSACTIONS.includes(action));
  const together = [...new Set(inTransactions.flatMap(([, partitionKeys]) => partitionKeys))].sort();
  const keysOf = (action: string, own: string[]): string[] => (IN_TRANSACTIONS.includes(action) ? together : own);
  return Object.entries(calls).map(([action, partitionKeys]) => ({
    Sid: action,
    Effect: 'Allow',
    Action: `dynamodb:${action}`,
    Resource: table.attrArn,
    Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keysOf(action, partitionKeys) } },
  }));
}

/** An index has keys of its own, so its queries stand apart. */
export function queryIndexes(table: CfnTable, names: string[]): Statement {
  const arns = names.map((name) => `${table.attrArn}/index/${name}`);
  return { Sid: 'QueryIndexes', Effect: 'Allow', Action: 'dynamodb:Query', Resource: arns };
}

export function stream(table: CfnTable): Statement {
  return {
    Sid: 'Stream',
    Effect: 'Allow',
    Action: ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'],
    Resource: table.attrStreamArn,
  };
}

export function objects(sid: string, action: 'GetObject' | 'PutObject', bucket: CfnBucket): Statement {
  return { Sid: sid, Effect: 'Allow', Action: `s3:${action}`, Resource: `${bucket.attrArn}/*` };
}

export function listing(sid: string, bucket: CfnBucket): Statement {
  return { Sid: sid, Effect: 'Allow', Action: 's3:ListBucket', Resource: bucket.attrArn };
}

export function secrets(...read: CfnSecret[]): Statement {
  const arns = read.map((secret) => secret.ref);
  const [only, ...others] = arns;
  const Resource = only !== undefined && others.length === 0 ? only : arns;
  return { Sid: 'Secrets', Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource };
}

/* The key is used in the caller's name, through the services that are called; who writes reads too. */

export function keyOfTable(key: CfnKey, to: 'read' | 'write'): Statement {
  const reading = ['kms:Decrypt', 'kms:DescribeKey'];
  const writing = [
    ...reading,
    'kms:Encrypt',
    'kms:GenerateDataKey',
    'kms:GenerateDataKeyWithoutPlaintext',
    'kms:ReEncryptFrom',
    'kms:ReEncryptTo',
  ];
  return keyThrough('dynamodb', 'KeyOfTable', key, to === 'read' ? reading : writing);
}

export function keyOfBuckets(key: CfnKey, to: 'read' | 'write'): Statement {
  const actions = to === 'read' ? ['kms:Decrypt'] : ['kms:Decrypt', 'kms:GenerateDataKey'];
  return keyThrough('s3', 'KeyOfBuckets', key, actions);
}

export function keyOfSecrets(key: CfnKey): Statement {
  return keyThrough('secretsmanager', 'KeyOfSecrets', key, ['kms:Decrypt']);
}

function keyThrough(service: string, sid: string, key: CfnKey, actions: string[]): Statement {
  return {
    Sid: sid,
    Effect: 'Allow',
    Action: actions,
    Resource: key.attrArn,
    Condition: { StringEquals: { 'kms:ViaService': [`${service}.${Aws.REGION}.amazonaws.com`] } },
  };
}

/** The identity mails are sent from, and the set that says who is told of bounces. */
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
