import type { CfnAlarmProps } from 'aws-cdk-lib/aws-cloudwatch';

type Threshold = Pick<CfnAlarmProps, 'comparisonOperator' | 'threshold' | 'datapointsToAlarm' | 'evaluationPeriods'>;

/** When an alarm goes off. */
export interface Comparison {
  readonly once: Threshold;
  /** In `datapointsToAlarm` of `evaluationPeriods` periods in a row; by default in all of them. */
  times(datapointsToAlarm: number, evaluationPeriods?: number): Threshold;
}

function compared(comparisonOperator: string, threshold: number): Comparison {
  const times = (datapointsToAlarm: number, evaluationPeriods = datapointsToAlarm): Threshold => ({
    comparisonOperator,
    threshold,
    datapointsToAlarm,
    evaluationPeriods,
  });
  return { once: times(1), times };
}

export function atLeast(threshold: number): Comparison {
  return compared('GreaterThanOrEqualToThreshold', threshold);
}

export function under(threshold: number): Comparison {
  return compared('LessThanThreshold', threshold);
}

export function over(threshold: number): Comparison {
  return compared('GreaterThanThreshold', threshold);
}
