import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { CfnRole } from 'aws-cdk-lib/aws-iam';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

import type { Buckets } from './buckets';
import { FUNCTIONS } from './function-names';
import type { FunctionName } from './function-names';
import type { Logs } from './logs';
import type { Secrets } from './secrets';
import type { Settings } from './settings';
import {
  NO_SCAN_AND_NO_PARTIQL,
  STREAMS,
  TRACES,
  keyOfBuckets,
  keyOfSecrets,
  keyOfTable,
  listing,
  logging,
  mail,
  objects,
  queryIndexes,
  rows,
  secrets,
  stream,
} from './statements';
import type { Statement } from './statements';

export type Roles = Readonly<Record<FunctionName, Role>>;

/** What the statements are about. */
export interface Resources {
  readonly key: CfnKey;
  readonly table: CfnTable;
  readonly buckets: Buckets;
  readonly secrets: Secrets;
  readonly logs: Logs;
}

/**
 * A role for each function, with no more than it was seen to call. `dynamodb:LeadingKeys` narrows a call to the
 * partition keys it is for. The statements go to CloudFormation as they are written: grants would be wider.
 */
export function addRoles(scope: Construct, settings: Settings, resources: Resources): Roles {
  const allowed = allowedTo(settings, resources);
  const roles = FUNCTIONS.map((name) => {
    const role = new Role(scope, `${name}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    const statements = [NO_SCAN_AND_NO_PARTIQL, ...allowed[name], logging(resources.logs[name]), TRACES];
    setPolicy(role, name, statements);
    return [name, role] as const;
  });
  return Object.fromEntries(roles) as Record<FunctionName, Role>;
}

/** Gives the role exactly these statements, and not the equal ones that an L2 document would make of them. */
export function setPolicy(role: Role, policyName: string, statements: object[]): void {
  const policyDocument = { Version: '2012-10-17', Statement: statements };
  (role.node.defaultChild as CfnRole).policies = [{ policyName, policyDocument }];
}

/** Beside what every function may: log and trace. */
function allowedTo(
  settings: Settings,
  { key, table, buckets, secrets: of }: Resources,
): Record<FunctionName, Statement[]> {
  return {
    Products: [
      ...rows(table, { Query: ['CAT#*', 'PROD#*'] }),
      queryIndexes(table, [
        'catalog-price-index',
        'category-price-index',
        'category-2-price-index',
        'category-3-price-index',
        'category-4-price-index',
        'featured-index',
      ]),
      objects('Descriptions', 'GetObject', buckets.descriptions),
      // Without this S3 refuses an object that is not there, instead of saying so.
      listing('MissingDescriptions', buckets.descriptions),
      secrets(of.cursorKeys),
      keyOfTable(key, 'read'),
      keyOfBuckets(key, 'read'),
      keyOfSecrets(key),
    ],
    ProductsAdmin: [
      ...rows(table, {
        BatchGetItem: ['CAT#*', 'PROD#*'],
        BatchWriteItem: ['PROD#*'],
        DeleteItem: ['CAT#*', 'PROD#*'],
        GetItem: ['CAT#*', 'CATALOG', 'IDEM#*', 'PROD#*', 'SESSION#*', 'USER#*'],
        PutItem: ['CATALOG', 'IDEM#*', 'PROD#*'],
        Query: ['CAT#*', 'CATALOG', 'PROD#*'],
        UpdateItem: ['CAT#*', 'PROD#*', 'SESSION#*'],
      }),
      objects('Descriptions', 'PutObject', buckets.descriptions),
      secrets(of.cursorKeys),
      keyOfTable(key, 'write'),
      keyOfBuckets(key, 'write'),
      keyOfSecrets(key),
    ],
    Cart: [
      ...rows(table, {
        BatchGetItem: ['PROD#*', 'SESSION#*', 'USER#*'],
        Query: ['PROD#*'],
        UpdateItem: ['SESSION#*', 'USER#*'],
      }),
      secrets(of.cursorKeys),
      keyOfTable(key, 'write'),
      keyOfSecrets(key),
    ],
    Orders: [
      ...rows(table, {
        BatchGetItem: ['ORDER#*', 'PROD#*', 'SESSION#*', 'USER#*'],
        BatchWriteItem: ['ORDER#*'],
        GetItem: ['IDEM#*', 'ORDER#*', 'SESSION#*', 'USER#*'],
        PutItem: ['IDEM#*', 'ORDER#*', 'USER#*'],
        Query: ['ORDER#*', 'USER#*'],
        UpdateItem: ['ORDER#*', 'PROD#*', 'RATE#*', 'SESSION#*', 'USER#*'],
      }),
      queryIndexes(table, ['due-index', 'order-state-index']),
      secrets(of.cursorKeys, of.payment),
      keyOfTable(key, 'write'),
      keyOfSecrets(key),
    ],
    Sessions: [
      ...rows(table, {
        BatchGetItem: ['SESSION#*', 'USER#*'],
        DeleteItem: ['RATE#*', 'SESSION#*', 'USER#*'],
        GetItem: ['EMAIL#*', 'SESSION#*', 'USER#*'],
        PutItem: ['EMAIL#*', 'SESSION#*', 'USER#*'],
        Query: ['USER#*'],
        UpdateItem: ['EMAIL#*', 'RATE#*', 'SESSION#*', 'USER#*'],
      }),
      secrets(of.cursorKeys),
      keyOfTable(key, 'write'),
      keyOfSecrets(key),
    ],
    Notifications: [
      ...rows(table, { GetItem: ['USER#*'], PutItem: ['NOTIFY#*'], UpdateItem: ['NOTIFY#*', 'RATE#*'] }),
      stream(table),
      STREAMS,
      objects('DeadLetters', 'PutObject', buckets.deadLetters),
      // A mapping wants this of its destination.
      listing('Destination', buckets.deadLetters),
      mail(settings),
      keyOfTable(key, 'write'),
      keyOfBuckets(key, 'write'),
    ],
    Projections: [
      ...rows(table, {
        BatchGetItem: ['PROD#*'],
        BatchWriteItem: ['ORDER#*'],
        ConditionCheckItem: ['PROD#*'],
        DeleteItem: ['PROD#*', 'USER#*'],
        GetItem: ['CAT#*', 'ORDER#*', 'USER#*'],
        PutItem: ['ORDER#*', 'PROD#*', 'USER#*'],
        Query: ['ORDER#*', 'PROD#*', 'USER#*'],
        UpdateItem: ['CAT#*', 'PROD#*'],
      }),
      stream(table),
      STREAMS,
      objects('Audit', 'PutObject', buckets.audit),
      objects('DeadLetters', 'PutObject', buckets.deadLetters),
      // A mapping wants this of its destination.
      listing('Destination', buckets.deadLetters),
      keyOfTable(key, 'write'),
      keyOfBuckets(key, 'write'),
    ],
    Sweeper: [
      ...rows(table, {
        BatchGetItem: ['ORDER#*', 'USER#*'],
        BatchWriteItem: ['ORDER#*'],
        DeleteItem: ['CAT#*', 'CATALOG'],
        GetItem: ['CATALOG', 'ORDER#*', 'PROD#*'],
        PutItem: ['ORDER#*', 'USER#*'],
        Query: ['CAT#*', 'CATALOG'],
        UpdateItem: ['CATALOG', 'ORDER#*', 'PROD#*', 'USER#*'],
      }),
      queryIndexes(table, [
        'category-price-index',
        'category-2-price-index',
        'category-3-price-index',
        'category-4-price-index',
        'due-index',
      ]),
      secrets(of.payment),
      keyOfTable(key, 'write'),
      keyOfSecrets(key),
    ],
  };
}
