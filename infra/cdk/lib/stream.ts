import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { CfnEventSourceMapping } from 'aws-cdk-lib/aws-lambda';
import type { CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import { FACTS } from './facts';
import type { Functions } from './functions';

/** What calls the consumers of the stream. */
export interface Mappings {
  readonly Notifications: CfnEventSourceMapping;
  readonly Projections: CfnEventSourceMapping;
}

/** Sends the table's stream to its consumers. DynamoDB serves two at most well. */
export function addMappings(scope: Construct, table: CfnTable, functions: Functions, deadLetters: CfnBucket): Mappings {
  const add = (name: keyof Mappings): CfnEventSourceMapping => {
    const { batchSize, windowSeconds, retries, maxAgeSeconds, bisect, patterns } = FACTS.mappings[name];
    return new CfnEventSourceMapping(scope, `${name}Mapping`, {
      functionName: functions[name].functionName,
      eventSourceArn: table.attrStreamArn,
      startingPosition: 'TRIM_HORIZON',
      batchSize,
      maximumBatchingWindowInSeconds: windowSeconds,
      functionResponseTypes: ['ReportBatchItemFailures'],
      bisectBatchOnFunctionError: bisect,
      maximumRetryAttempts: retries,
      maximumRecordAgeInSeconds: maxAgeSeconds,
      destinationConfig: { onFailure: { destination: deadLetters.attrArn } },
      // The alarms of mappings that stopped look at these.
      metricsConfig: { metrics: ['EventCount'] },
      filterCriteria: { filters: patterns.map((pattern) => ({ pattern })) },
    });
  };
  return { Notifications: add('Notifications'), Projections: add('Projections') };
}
