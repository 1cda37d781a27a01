import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { Construct } from 'constructs';

import type { Tables } from './tables';

/** Provisions more of each table and of each index as more is consumed, where the capacity is provisioned. */
export function addScaling(scope: Construct, tables: Tables): void {
  const scaled = [
    ...tables.all.map((of) => ({ prefix: of.prefix, kind: 'table', of, resourceId: `table/${of.table.ref}` })),
    ...tables.indexes.map(({ prefix, name, of }) => ({
      prefix,
      kind: 'index',
      of,
      resourceId: `table/${of.table.ref}/index/${name}`,
    })),
  ];
  for (const { prefix, kind, of: { capacity }, resourceId } of scaled) {
    if (!capacity) continue;
    for (const way of ['Read', 'Write']) {
      const target = new CfnScalableTarget(scope, `${prefix}${way}Target`, {
        serviceNamespace: 'dynamodb',
        scalableDimension: `dynamodb:${kind}:${way}CapacityUnits`,
        resourceId,
        minCapacity: capacity.min,
        maxCapacity: capacity.max,
      });
      new CfnScalingPolicy(scope, `${prefix}${way}Scaling`, {
        policyName: `${prefix}${way}Scaling`,
        policyType: 'TargetTrackingScaling',
        scalingTargetId: target.ref,
        targetTrackingScalingPolicyConfiguration: {
          targetValue: capacity.targetUtilization,
          predefinedMetricSpecification: { predefinedMetricType: `DynamoDB${way}CapacityUtilization` },
        },
      });
    }
  }
}
