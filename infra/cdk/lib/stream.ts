import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { CfnEventSourceMapping } from 'aws-cdk-lib/aws-lambda';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import type { CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import type { Functions } from './functions';

/** What calls the consumers of the stream. */
export interface Mappings {
  readonly Notifications: CfnEventSourceMapping;
  readonly Projections: CfnEventSourceMapping;
}

/** Sends the table's stream to its consumers. DynamoDB serves two at most well. */
export function addMappings(scope: Construct, table: CfnTable, functions: Functions, deadLetters: CfnBucket): Mappings {
  const notifications = addMapping(scope, 'NotificationsMapping', table, functions.Notifications, deadLetters, {
    batchSize: 25,
    maximumBatchingWindowInSeconds: 0,
    filters: [
      {
        eventName: ['INSERT', 'MODIFY'],
        dynamodb: { Keys: { PK: { S: [{ prefix: 'ORDER#' }] }, SK: { S: ['STATUS'] } } },
      },
    ],
  });
  const projections = addMapping(scope, 'ProjectionsMapping', table, functions.Projections, deadLetters, {
    batchSize: 100,
    maximumBatchingWindowInSeconds: 1,
    filters: [
      keyed({ PK: { S: [{ prefix: 'ORDER#' }] }, SK: { S: ['STATUS'] } }),
      keyed({
        PK: { S: [{ prefix: 'PROD#' }] },
        SK: { S: [{ prefix: 'META#' }, { prefix: 'MOVE#' }, { prefix: 'REVIEW#' }] },
      }),
      keyed({ PK: { S: [{ prefix: 'USER#' }] }, SK: { S: ['PROFILE', 'ACCOUNT', { prefix: 'ADDRESS#' }] } }),
      keyed({ PK: { S: [{ prefix: 'EMAIL#' }] }, SK: { S: ['CREDENTIAL'] } }),
    ],
  });
  return { Notifications: notifications, Projections: projections };
}

function keyed(Keys: object): object {
  return { dynamodb: { Keys } };
}

interface Reading {
  readonly batchSize: number;
  readonly maximumBatchingWindowInSeconds: number;
  /** Records that match none of these are not worth a call. */
  readonly filters: object[];
}

function addMapping(
  scope: Construct,
  id: string,
  table: CfnTable,
  consumer: Function,
  deadLetters: CfnBucket,
  { filters, ...reading }: Reading,
): CfnEventSourceMapping {
  return new CfnEventSourceMapping(scope, id, {
    functionName: consumer.functionName,
    eventSourceArn: table.attrStreamArn,
    startingPosition: 'TRIM_HORIZON',
    ...reading,
    functionResponseTypes: ['ReportBatchItemFailures'],
    bisectBatchOnFunctionError: true,
    maximumRetryAttempts: 5,
    maximumRecordAgeInSeconds: 6 * 3600,
    destinationConfig: { onFailure: { destination: deadLetters.attrArn } },
    // The alarms of mappings that stopped look at these.
    metricsConfig: { metrics: ['EventCount'] },
    filterCriteria: { filters: filters.map((filter) => ({ pattern: JSON.stringify(filter) })) },
  });
}
