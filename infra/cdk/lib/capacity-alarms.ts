import type { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';

import type { AddAlarm } from './alarm';
import { INDEXES } from './table';
import { over } from './thresholds';

/** An alarm for the reads and one for the writes of the table and of each index. */
export function addCapacityAlarms(add: AddAlarm, table: CfnTable): void {
  const ofTheTable = [{ name: 'TableName', value: table.ref }];
  const provisioned = [
    { prefix: 'Table', what: 'the table', dimensions: ofTheTable },
    ...INDEXES.map(({ prefix, name }) => ({
      prefix,
      what: `index ${name}`,
      dimensions: [...ofTheTable, { name: 'GlobalSecondaryIndexName', value: name }],
    })),
  ];
  for (const { prefix, what, dimensions } of provisioned) {
    for (const way of ['Read', 'Write']) {
      add(`${prefix}${way}ConsumedAlarm`, 'Over 80 % consumed', {
        alarmDescription: `Over 80 % of the provisioned ${way.toLowerCase()} capacity of ${what} is consumed`,
        metrics: percentConsumed(way, dimensions),
        ...over(80).times(3, 4),
      });
    }
  }
}

function percentConsumed(way: string, dimensions: CfnAlarm.DimensionProperty[]): CfnAlarm.MetricDataQueryProperty[] {
  const metric = (id: string, stat: string, metricName: string): CfnAlarm.MetricDataQueryProperty => ({
    id,
    returnData: false,
    metricStat: { stat, period: 300, metric: { namespace: 'AWS/DynamoDB', metricName, dimensions } },
  });
  return [
    {
      id: 'percent',
      // What is consumed is a sum over the period, what is provisioned a rate.
      expression: '100 * (FILL(consumed, 0) / PERIOD(consumed)) / FILL(provisioned, REPEAT)',
      label: 'Consumed (%)',
      returnData: true,
    },
    metric('consumed', 'Sum', `Consumed${way}CapacityUnits`),
    metric('provisioned', 'Average', `Provisioned${way}CapacityUnits`),
  ];
}
