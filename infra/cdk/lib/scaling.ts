import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';

import type { Settings } from './settings';
import { INDEXES } from './table';

/** Provisions more of the table and of each index as more is consumed, where the capacity is provisioned. */
export function addScaling(scope: Construct, { capacity }: Settings, table: CfnTable): void {
  if (!capacity) return;
  const scaled = [
    { prefix: 'Table', kind: 'table', resourceId: `table/${table.ref}` },
    ...INDEXES.map(({ prefix, name }) => ({ prefix, kind: 'index', resourceId: `table/${table.ref}/index/${name}` })),
  ];
  for (const { prefix, kind, resourceId } of scaled) {
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
