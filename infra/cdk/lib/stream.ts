import { CfnEventSourceMapping } from 'aws-cdk-lib/aws-lambda';
import type { CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import { FACTS } from './facts';
import type { Functions } from './functions';
import type { DataTable, Tables } from './tables';

/** The functions that read the streams. */
export const CONSUMERS = ['Notifications', 'Projections'] as const;
export type Consumer = (typeof CONSUMERS)[number];

/** What calls a consumer with the changes of a table. */
export interface Mapping {
  readonly consumer: Consumer;
  readonly of: DataTable;
  readonly mapping: CfnEventSourceMapping;
}

/**
 * Sends the streams to their consumers: each table's to those that handle something of it, with the patterns of its data.
 * DynamoDB serves two readers of a stream at most well.
 */
export function addMappings(scope: Construct, tables: Tables, functions: Functions, deadLetters: CfnBucket): Mapping[] {
  return CONSUMERS.flatMap((consumer) =>
    tables.all.flatMap((of): Mapping[] => {
      const { batchSize, windowSeconds, retries, maxAgeSeconds, bisect, patterns } = FACTS.mappings[consumer];
      const filters = patterns.filter(({ kind }) => tables.holding(kind) === of).map(({ pattern }) => ({ pattern }));
      if (filters.length === 0) return [];
      const mapping = new CfnEventSourceMapping(scope, `${consumer}${of.kind}Mapping`, {
        functionName: functions[consumer].functionName,
        eventSourceArn: of.table.attrStreamArn,
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
        filterCriteria: { filters },
      });
      return [{ consumer, of, mapping }];
    }),
  );
}
