import type { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';

import type { AddAlarm } from './alarm';
import type { Tables } from './tables';
import { over } from './thresholds';

/** An alarm for the reads and one for the writes of each table and of each index that is provisioned. */
export function addCapacityAlarms(add: AddAlarm, tables: Tables): void {
  const named = (name: string) => [{ name: 'TableName', value: name }];
  const all = [
    ...tables.all.map((of) => ({ prefix: of.prefix, what: of.described, of, dimensions: named(of.table.ref) })),
    ...tables.indexes.map(({ prefix, name, of }) => ({
      prefix,
      what: `index ${name}`,
      of,
      dimensions: [...named(of.table.ref), { name: 'GlobalSecondaryIndexName', value: name }],
    })),
  ];
  for (const { prefix, what, dimensions } of all.filter(({ of }) => of.capacity)) {
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
